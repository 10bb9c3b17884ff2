-- The relay drops what Kafka has had for days; costs a new event next to nothing, where a tree would cost as much as its key.
create index outbox_created on outbox using brin (created_at);
