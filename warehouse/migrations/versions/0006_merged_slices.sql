-- Old slices are merged: how many each row was, and a sum of checksums over many rows.
alter table slices add column slices integer not null default 1 check (slices > 0);
comment on column slices.slices is 'how many slices were put together in this row; see warehouse/merging.py';

create aggregate wrapped_sum(bigint) (sfunc = wrapped_sum, stype = bigint, initcond = '0', parallel = safe);
