-- A dead letter for one reading holds that reading alone, so that many of one message don't each hold all of it.

alter table dead_letters
    add column content_type text,
    add column key bytea,
    add column upload_id text;
comment on column dead_letters.payload is 'the reading alone, as JSON; the whole message where index is -1';
comment on column dead_letters.content_type is
    'of the payload; null where the message''s own was no text, and for dead letters older than the column';
comment on column dead_letters.key is 'the message''s key';
comment on column dead_letters.upload_id is 'the header of that name: the upload that the message belongs to';
create index on dead_letters (upload_id) where upload_id is not null;
