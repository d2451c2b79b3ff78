-- The id of a request: with the sandbox that it asked for and with the jobs that came by it, to the host and into the views.
begin;
select plan(14);

create function tap.host() returns uuid language sql immutable as $$ select '00000000-0000-4000-8000-000000000001'::uuid $$;
create function tap.session(p_branch text) returns text language sql stable as $$ select s.id::text from app.sandbox_session s where s.branch = p_branch $$;
create function tap.make(p_branch text, p_request text) returns text language sql as $$
	select c.status from api.sandbox_create('w', 'o/r', p_branch, 1800, 100, p_request) c
$$;
create function tap.submit(p_request text, p_payload text) returns text language sql as $$
	select s.status from api.sandbox_submit('w', tap.session('main'), 'me', 'tool', '1', 'Bash', p_payload, 1800, null, p_request) s
$$;
select api.project_remember('w', 'o/r', 'https://github.com/o/r'), api.host_begin(tap.host(), 'host', '1.0', 10, 'all') \gset x

-- What looks like an id of nginx's is one; all else is dropped, and nothing is refused for it.
select is(app.log_id(t), u, left(coalesce(replace(t, E'\n', '\n'), 'null'), 20) || ' as an id') from (values
	('8f3c0123456789abcdef0123456789ab', '8f3c0123456789abcdef0123456789ab'), ('A-Z_0.9', 'A-Z_0.9'), (repeat('a', 128), repeat('a', 128)), (repeat('a', 129), null),
	('a b', null), (E'a\n', null), ('', null), (null, null)) x (t, u);
select tap.make('main', 'asked'), tap.make('hostile', E'a" level=error msg="\n'), tap.make('none', null) \gset x
select results_eq($$ select branch, request from api.host_claim(tap.host(), 10) order by branch $$,
	$$ values ('hostile', null), ('main', 'asked'), ('none', null) $$, 'the host that claims them gets it');
select results_eq($$ select branch, request from api.host_sandboxes(tap.host()) order by branch $$,
	$$ values ('hostile', null), ('main', 'asked'), ('none', null) $$, 'so does one that starts again');
select is(tap.submit('upgrade', 'a') || tap.submit(repeat('x', 200), 'b') || tap.submit(null, 'c'), 'okokok', 'jobs');
select results_eq($$ select payload, request from api.host_jobs(tap.host(), 10) $$, $$ values ('a', 'upgrade'), ('b', null), ('c', null) $$, 'each with its own');
select results_eq($$ select branch, request_id from report.sandboxes order by branch $$,
	$$ values ('hostile', null), ('main', 'asked'), ('none', null) $$, 'DBAs see it');
select results_eq($$ select request_id from report.tasks order by task $$, $$ values ('upgrade'), (null), (null) $$, 'with the tasks, too');

select * from finish();
rollback;
