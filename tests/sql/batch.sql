-- api.session_update_many: the same as as many calls of api.session_update, all or nothing.
begin;
select plan(17);

do $$ begin
	perform api.session_create('a', 's1', '{"id":"s1"}', p_version => 11), api.session_create('a', 's2', '{"id":"s2"}', p_version => 12),
	api.session_create('b', 's1', '{"id":"s1"}', p_version => 21);
end $$;

-- Calls it for rows of (workspace, session, header, base, version, event, client, request), in the order of the workspaces.
create function tap.many(p_rows json) returns text language plpgsql as $$
declare
	v_out record;
begin
	with r as (
		select x.*, dense_rank() over (order by x.workspace collate "C") as place,
			row_number() over (partition by x.workspace order by i) as nth,
			row_number() over (partition by x.workspace, x.session order by i desc) = 1 as last,
			first_value(x.base) over (partition by x.workspace, x.session order by i) as first_base
		from rows from (json_to_recordset(p_rows) as (workspace text, session text, header json, base bigint, version bigint,
			event json, client text, request text, payload bigint)) with ordinality
			x (workspace, session, header, base, version, event, client, request, payload, i)),
	w as (select workspace, place, count(*) as n from r group by workspace, place)
	select m.* into v_out from api.session_update_many(
		(select array_agg(workspace order by place) from w), (select array_agg(n::integer order by place) from w),
		(select array_agg(place::integer order by i) from r), (select array_agg(nth::integer order by i) from r),
		(select array_agg(last order by i) from r), (select array_agg(session order by i) from r),
		(select array_agg(header order by i) from r), (select array_agg('name ' || i order by i) from r),
		(select array_agg(true order by i) from r), (select array_agg('todo'::text order by i) from r),
		(select array_agg('model'::text order by i) from r), (select array_agg(1000::bigint order by i) from r),
		(select array_agg(2000::bigint order by i) from r), (select array_agg(first_base order by i) from r),
		(select array_agg(version order by i) from r), (select array_agg(event order by i) from r),
		(select array_agg('origin'::text order by i) from r),
		(select case when bool_or(client is not null) then array_agg(client order by i) end from r),
		(select array_agg(sha256(request::bytea) order by i) from r), (select array_agg(payload order by i) from r)) m;
	return v_out.before::text;
end
$$;
create function tap.state(p_workspace text, p_id text) returns text language sql as $$
	select concat_ws(' ', s.version, s.updated_seq, s.header, s.name, s.is_flagged, s.status, s.model, extract(epoch from s.created_at)::integer,
		extract(epoch from s.last_used_at)::integer)
	from app.session s join app.workspace w on w.id = s.workspace_id where w.slug = p_workspace and s.id = p_id;
$$;
create function tap.log(p_workspace text, p_after bigint) returns text language sql as $$
	select string_agg(concat_ws(' ', c.seq, c.entity, c.action, c.entity_id, c.origin, c.data), '; ' order by c.seq)
	from app.change_log c join app.workspace w on w.id = c.workspace_id where w.slug = p_workspace and c.seq > p_after;
$$;

select is(tap.many('[{"workspace":"a","session":"s1","header":{"v":1},"base":11,"version":111},
	{"workspace":"a","session":"s2","header":{"v":2},"base":12,"version":112,"event":{"e":2}},
	{"workspace":"a","session":"s1","header":{"v":3},"base":111,"version":113},
	{"workspace":"b","session":"s1","header":{"v":4},"base":21,"version":121}]'), '{2,1}', 'each workspace''s number before is told');
select is(tap.seq('a'), 5::bigint, 'three numbers were given in one workspace');
select is(tap.seq('b'), 2::bigint, 'and one in the other');
select is(tap.state('a', 's1'), '113 5 {"v":3} name 3 t todo model 1 2', 'of two updates of a session the last one is stored');
select is(tap.state('a', 's2'), '112 4 {"v":2} name 2 t todo model 1 2', 'the other session has its own');
select is(tap.state('b', 's1'), '121 2 {"v":4} name 4 t todo model 1 2', 'and so has the one of the same id elsewhere');
select is(tap.log('a', 2), '3 session updated s1 origin {"v":1}; 4 session updated s2 origin {"e":2}; 5 session updated s1 origin {"v":3}',
	'each is in the log, in order, with its event');

-- All or nothing.
select throws_ok($$select tap.many('[{"workspace":"a","session":"s1","header":{},"base":113,"version":1},
	{"workspace":"a","session":"s2","header":{},"base":999,"version":2}]')$$, 'CA001', 'a session was changed meanwhile', 'a stale base');
select throws_ok($$select tap.many('[{"workspace":"a","session":"s1","header":{},"base":113,"version":1},
	{"workspace":"a","session":"none","header":{},"base":1,"version":2}]')$$, 'CA001', 'a session was changed meanwhile', 'a session that is gone');
select throws_ok($$select tap.many('[{"workspace":"a","session":"s1","header":{},"base":113,"version":1},
	{"workspace":"none","session":"s1","header":{},"base":1,"version":2}]')$$, 'CA001', 'a workspace is missing', 'a workspace that isn''t there');
select is(tap.state('a', 's1') || tap.seq('a'), '113 5 {"v":3} name 3 t todo model 1 25', 'none of these changed anything');

-- Requests that may come again.
select is(tap.many('[{"workspace":"a","session":"s1","header":{"v":5},"base":113,"version":114,"client":"c","request":"1","payload":7},
	{"workspace":"a","session":"s1","header":{"v":6},"base":114,"version":115,"event":{},"client":"c","request":"2","payload":8},
	{"workspace":"a","session":"s2","header":{"v":7},"base":112,"version":116}]'), '{5}', 'clients that named themselves and one that didn''t');
select is((select string_agg(concat_ws(' ', payload, seq, echoes, coalesce(answer::text, 'null')), '; ' order by seq) from app.seen_request), '7 6 t null; 8 7 f null',
	'their requests are remembered with the number, and not what is in the log already');
select throws_ok($$select tap.many('[{"workspace":"a","session":"s1","header":{},"base":115,"version":1,"client":"c","request":"1","payload":7},
	{"workspace":"a","session":"s2","header":{},"base":116,"version":2}]')$$, 'CA001', 'a request was applied before', 'one that was applied before');
select throws_ok($$select tap.many('[{"workspace":"a","session":"s1","header":{},"base":115,"version":1,"client":"c","request":"3","payload":7},
	{"workspace":"a","session":"s2","header":{},"base":116,"version":2,"client":"c","request":"3","payload":7}]')$$, 'CA001', 'a request comes twice', 'one that comes twice');
select is(tap.seq('a'), 8::bigint, 'neither took a number');
select is((select status || ' ' || seq from api.session_update('a', 's1', '{}', null, 1, 2, null, row('o', 'c', sha256('1'), 7)::api.request)), 'repeat 6',
	'api.session_update says which it was');
select * from finish();
rollback;
