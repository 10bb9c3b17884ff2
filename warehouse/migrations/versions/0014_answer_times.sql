-- How long the API took: of an hour and a route, how many answers took at most so long and longer than the bound before.
create table answer_times (
    hour timestamptz not null,
    method text not null,
    route text not null,
    up_to_s double precision not null,
    answers bigint not null,
    primary key (hour, method, route, up_to_s)
);
comment on column answer_times.up_to_s is 'infinity: longer than the longest bound';
