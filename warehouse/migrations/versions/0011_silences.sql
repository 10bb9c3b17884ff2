-- The series that are silent: each has one episode, which goes on for as long as the row is here. Whoever tells that a
-- series talks again deletes it, so that the episode is left alone from then on.
create table silences (
    series_id integer primary key references series,
    episode_id uuid not null references episodes on delete cascade,
    last_seen timestamptz not null
);
create index on silences (episode_id);
comment on column silences.last_seen is 'when the series talked last, by its own clock; its episode''s start';
