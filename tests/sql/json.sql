-- JSON that SQL can't look into (\u0000, half a surrogate pair…) goes through every mutation, read and view
-- and comes back byte for byte.
begin;
select plan(72);

select throws_ok($$ select tap.hostile() ->> 'id' $$, null, null, 'the document is one that SQL fails on');
select throws_ok($$ select tap.hostile()::jsonb $$, null, null, 'and one that jsonb refuses');

select is((tap.mutate(call, tap.hostile(), tap.hostile_string())).status, 'ok', function || ': as SQL user') from tap.mutation order by ord;
update app.workspace set slug = 'w-sql';
select is((tap.mutate(call, tap.hostile(), tap.hostile_string(), tap.request(function))).status, 'ok', function || ': as daemon') from tap.mutation order by ord;
select is((tap.mutate(call, tap.hostile(), tap.hostile_string(), tap.request(function))).status, 'repeat', function || ': again') from tap.mutation order by ord;

-- What the mutations above left, as the clients read it.
select is((select count(*) from app.change_log l where l.data::text not like '%\\u0000%'), 0::bigint, 'every change carries its document');
select is((select count(*) from app.change_log l where strpos(l.data::text, tap.hostile()::text) > 0 or strpos(l.data::text, tap.hostile_string()::text) > 0), 32::bigint,
	'unchanged');
select is((select body::text from api.sessions('w') offset 1 limit 1), tap.hostile()::text, 'sessions');
select is((select header::text from api.session_header('w', 'saved')), tap.hostile()::text, 'session_header');
select is((select header::text from api.session_base('w', 'saved')), tap.hostile()::text, 'session_base');
select is((select string_agg(part::text, '') from api.session_parts('w', 'saved')),
	tap.hostile()::text || tap.hostile()::text || tap.hostile_string()::text, 'session_parts');
select is((select body::text from api.sources('w') offset 1), tap.hostile()::text, 'sources');
select is((select body::text from api.source('w', 'set')), '{"config" : ' || tap.hostile()::text || ', "guide" : ' || tap.hostile_string()::text || '}', 'source');
select is((select body::text from api.statuses('w')), tap.hostile()::text, 'statuses');
select is((select body::text from api.labels('w')), tap.hostile()::text, 'labels');
select is((select body::text from api.skills('w') offset 1),
	'{"slug" : "skill", "content" : ' || tap.hostile_string()::text || ', "metadata" : ' || tap.hostile()::text || '}', 'skills');
select is((select convert_from(part, 'UTF8') from api.plan_parts('w', 'saved', 'plan.md')), tap.hostile_string()::text, 'plan_parts');
select is((select count(*) from api.plans('w', 'saved')), 2::bigint, 'plans');
select is((select data::text from api.changes('w', 0, 1)), tap.hostile()::text, 'changes');
select is((select name from report.sessions where workspace = 'w-sql' and session = 'saved'), null, 'a SQL user''s columns are null where they can''t be had');

-- Every view, every column.
do $$
declare
	v_view text;
	v_n bigint;
begin
	for v_view in select viewname from pg_views where schemaname = 'report' loop
		execute format('select count(x::text) from report.%I x', v_view) into v_n;
	end loop;
end
$$;
select pass('every view can be read');
select is((select string_agg(header, '') from report.sessions where workspace = 'w'), tap.hostile()::text || tap.hostile()::text, 'report.sessions has the header''s text');
select is((select body from report.messages where workspace = 'w' and session = 'saved' and position = 1), tap.hostile_string()::text, 'report.messages has the message''s text');

-- Depth: what lib/json.h lets through (1,000) is no trouble to the server.
select lives_ok($$ select api.labels_save('deep', (repeat('[', 1000) || repeat(']', 1000))::json) $$, '1,000 levels are stored');
select lives_ok($$ select body::text from api.labels('deep') $$, 'and read');
select throws_ok($$ select api.labels_save('deep', (repeat('[', 100000) || repeat(']', 100000))::json) $$, '54001', null, '100,000 levels are refused by the server');
select throws_ok($$ select convert_from('\xeda080', 'UTF8') $$, '22021', null, 'raw surrogate bytes are refused by the server');

select * from finish();
rollback;
