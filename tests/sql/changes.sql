-- Following a workspace: heads, the log by cursor, hints below PostgreSQL's limit, pruning with a floor.
select plan(46);

-- The log by cursor.
select results_eq($$ select workspace_id, epoch = api.epoch(), head, floor, seq from api.changes('none', 0, 10) $$,
	'values (null::bigint, true, null::bigint, null::bigint, null::bigint)', 'an unknown workspace answers one row, with the epoch');
select is((select count(*) from app.workspace), 0::bigint, 'reading makes no workspace');
select count(*) as made from (select api.labels_save('a', to_json(i), row('o' || i, null, null, null)::api.request) from generate_series(1, 50) i) x \gset
select results_eq($$ select head, floor, seq, entity, action, origin, data::text from api.changes('a', 47, 2) $$,
	$$ values (50::bigint, 0::bigint, 48::bigint, 'labels', 'updated', 'o48', '48'), (50, 0, 49, 'labels', 'updated', 'o49', '49') $$,
	'the log after a number, in order, with head and floor');
select results_eq($$ select head, seq from api.changes('a', 50, 10) $$, 'values (50::bigint, null::bigint)', 'nothing after the head');
select results_eq($$ select head, seq from api.changes('a', 60, 10) $$, 'values (50::bigint, null::bigint)', 'nor beyond it');
select is((select array_agg(seq) from api.changes('a', 0, 1000, 1)), '{1}', 'a page of a byte has one row');
select is((select array_agg(seq) from api.changes('a', 0, 1000)), (select array_agg(i::bigint) from generate_series(1, 50) i), 'all of it');
select api.labels_save('b', '{}') as saved \gset
select results_eq($$ select workspace, seq from api.heads(array['b', 'none', 'a']) order by 1 $$, $$ values ('a', 50::bigint), ('b', 1) $$, 'heads of those that exist');
select is((select count(*) from api.heads('{}')), 0::bigint, 'heads of none');

-- A rolled-back mutation takes no number.
begin;
select api.labels_save('a', '{"rolled":"back"}') as saved \gset
select is(tap.seq('a'), 51::bigint, 'inside its transaction a mutation has a number');
rollback;
select is(tap.seq('a'), 50::bigint, 'and gives it back');

-- Pruning by count.
select is(api.prune(20, 30, 24), 30::bigint, 'pruning by count removes what lies further back');
select results_eq($$ select floor, seq from app.workspace where slug = 'a' $$, 'values (30::bigint, 50::bigint)', 'and moves the floor there');
select is((select min(l.seq) from app.change_log l join app.workspace w on w.id = l.workspace_id where w.slug = 'a'), 31::bigint, 'the log begins behind the floor');
select is((select floor from api.changes('a', 10, 1)), 30::bigint, 'which a reader sees');
select is(api.prune(20, 30, 24), 0::bigint, 'again there is nothing to do');

-- By age.
update app.change_log l set at = now() - interval '40 days' from app.workspace w where w.id = l.workspace_id and w.slug = 'a' and l.seq <= 35;
select is(api.prune(20, 50, 24), 0::bigint, 'what is young enough stays');
select is(api.prune(20, 30, 24), 5::bigint, 'what is too old goes');
select is((select floor from app.workspace where slug = 'a'), 35::bigint, 'and the floor with it');
update app.change_log set at = now() - interval '40 days';
select is(api.prune(20, 30, 24), 16::bigint, 'all of it, when all is too old');
select results_eq($$ select slug, floor = seq, seq from app.workspace order by 1 $$, $$ values ('a', true, 50::bigint), ('b', true, 1) $$, 'and the numbers go on from there');
select is((select seq from api.labels_save('a', '{}')), 51::bigint, 'with the next one');

-- Long logs go in bounded steps.
insert into app.change_log (workspace_id, seq, entity, action, data) select w.id, i, 'labels', 'updated', '{}' from app.workspace w, generate_series(52, 12051) i where w.slug = 'a';
update app.workspace set seq = 12051 where slug = 'a';
select is(api.prune(10, 30, 24), 10000::bigint, 'at most 10,000 rows of a workspace at once');
select is(api.prune(10, 30, 24), 1991::bigint, 'the rest the next time');
select is((select seq - floor from app.workspace where slug = 'a'), 10::bigint, 'down to what is to be kept');

-- Remembered requests.
select (api.labels_save('a', '{}', tap.request('old'))).status as old, (api.labels_save('a', '{}', tap.request('new'))).status as new \gset
update app.seen_request set at = now() - interval '25 hours' where request = sha256('old');
select is(api.prune(1000, 30, 24), 1::bigint, 'an old request is forgotten');
select results_eq('select request from app.seen_request', $$ values (sha256('new'::bytea)) $$, 'a young one isn''t');
select is((api.labels_save('a', '{}', tap.request('old'))).status, 'ok', 'one that was forgotten is applied');

-- Pruning never waits for a writer, nor for another run.
select api.labels_save('b', to_json(i)) as saved from generate_series(1, 30) i offset 29 \gset
select is(tap.other(), 'OK', 'a second connection');
select tap.dblink_exec('other', 'begin') as done \gset
select is((select o from tap.dblink('other', 'select status from api.labels_save(''b'', ''{}'')') d (o text)), 'ok', 'holds a workspace''s lock');
set lock_timeout = '5s';
select is(api.prune(5, 30, 24), 8::bigint, 'the other workspace is pruned meanwhile');
select is((select seq - floor from app.workspace where slug = 'b'), 30::bigint, 'this one isn''t');
select tap.dblink_exec('other', 'commit') as done \gset
select is(api.prune(5, 30, 24), 26::bigint, 'but the next time');
select api.labels_save('b', to_json(i)) as saved from generate_series(1, 30) i offset 29 \gset
select tap.dblink_exec('other', 'begin') as done \gset
select is((select o from tap.dblink('other', 'select api.prune(5, 30, 24)') d (o bigint)), 30::bigint, 'one that prunes');
select is(api.prune(1, 30, 24), 0::bigint, 'keeps the other from it');
select tap.dblink_exec('other', 'rollback') as done \gset
reset lock_timeout;

-- Hints.
select tap.dblink_exec('other', 'listen craft_changes') as done \gset
select api.announce(array['a', 'b', 'none']) as announced \gset
create temp view heard as select extra from tap.dblink_get_notify('other') where notify_name = 'craft_changes';
create function tap.hear() returns text[] language plpgsql as $$
declare
	v_out text[];
begin
	-- The server hands over what is pending with the answer to a query.
	perform * from tap.dblink('other', 'select 1') d (o integer);
	select array_agg(extra) into v_out from heard;
	return v_out;
end
$$;
select is((select array_agg(p order by p) from unnest(tap.hear()) h, unnest(string_to_array(h, ',')) p),
	(select array_agg(w.id || ':' || w.seq order by w.id || ':' || w.seq) from app.workspace w), 'a hint has id and number of each workspace');
select api.announce(array['none']) as announced \gset
select api.announce('{}') as announced \gset
select is(coalesce(tap.hear(), '{}'), '{}', 'nothing is said of unknown ones');

-- The longest numbers there can be.
insert into app.workspace (id, slug, seq) overriding system value
	select 9223372036854770000 + i, 'many' || i, 9223372036854775807 from generate_series(1, 2000) i;
select api.announce(array(select slug from app.workspace where slug like 'many%')) as announced \gset
create temp table many as select unnest(tap.hear()) as payload;
select cmp_ok((select max(octet_length(payload)) from many), '<', 8000, 'every hint of 2,000 workspaces is below 8,000 bytes');
select is((select count(distinct p) from many, unnest(string_to_array(payload, ',')) p), 2000::bigint, 'and none is missing');
select is((select count(*) from many, unnest(string_to_array(payload, ',')) p where p !~ '^\d+:\d+$'), 0::bigint, 'nor cut');

-- Mutations themselves notify nobody: that is for after the commit.
select api.labels_save('a', '{}') as saved \gset
select is(coalesce(tap.hear(), '{}'), '{}', 'a mutation sends no notification');
select is_empty($$ select tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid where c.relnamespace = 'app'::regnamespace and not t.tgisinternal $$,
	'and there are no triggers');

-- The epoch of this life of the database.
select matches(api.epoch(), '^[0-9a-f]{16}$', 'an epoch');
select api.epoch() as before \gset
select is(api.epoch(), :'before', 'stays');
select api.epoch_renew() as renewed \gset
select is(:'renewed', api.epoch(), 'epoch_renew answers the new one');
select isnt(api.epoch(), :'before', 'which is another');

select * from finish();
