-- fill.sql: representative data for a database at the state `:state`, written by that state's own functions as far as it has
-- any. Run by make-fixture as the cluster's superuser. A new migration adds a section at the end; what is above stays.
\set ON_ERROR_STOP 1
\pset tuples_only on
\pset format unaligned
set client_min_messages = warning;
select :state >= 2 as has_projects, :state >= 3 as has_files, :state >= 4 as has_oauth, :state >= 5 as has_sandboxes, :state >= 6 as has_keys \gset

-- ---- 1: sessions, messages, documents, the log ----

-- As the bridge sends it: typed columns, messages with hashes, and the memory of a client that sends again.
create function pg_temp.save(p_workspace text, p_id text, p_header json, variadic p_messages json[]) returns text language sql as $$
	select (api.session_save(p_workspace, p_id, p_header, null, null, 100 + cardinality(p_messages), cardinality(p_messages),
		(select sum(octet_length(m::text)) from unnest(p_messages) m), array(select generate_series(0, cardinality(p_messages) - 1)),
		array(select hashtextextended(m::text, 0) from unnest(p_messages) m), p_messages)).status
$$;

\o /dev/null
select api.session_create('team', 'plain', '{"id":"plain","name":"A plain one","model":"m-1","todoState":"todo","createdAt":1700000000000,"lastUsedAt":1700000000001}',
	row('A plain one', false, 'todo', 'm-1', 1700000000000, 1700000000001)::api.session_columns, 7, row('o1', 'laptop', '\x2272312200', 4711)::api.request);
select pg_temp.save('team', 'plain', '{"id":"plain","name":"A plain one","isFlagged":true}', '{"id":"m1","role":"user","content":"Hello"}',
	'{"id":"m2","role":"assistant","content":"Hello to you"}', '{"id":"m3","role":"user","content":"Bye"}');
select api.session_update('team', 'plain', '{"id":"plain","name":"Renamed","isFlagged":true,"gone":null}',
	row('Renamed', true, null, null, null, null)::api.session_columns, 103, 104, null, row('o1', 'laptop', '\x22723222', 4712)::api.request);
-- What SQL can't look into, and what a parser might change: NUL, halves of surrogate pairs, numbers, spaces, keys twice.
select api.session_create('team', 'Zürich 😀 / %2F?#', '{ "id" : "Zürich 😀 / %2F?#", "nul":"\u0000", "half":"\ud83d", "n":12345678901234567890.5, "e":1E+2, "a":1, "a":2, "ü":"é" }');
select pg_temp.save('team', 'odd', '{"id":"odd","preview":"cut \ud83d"}', '{"nul":"a\u0000b","half":"\udc00"}', '[1,  2]', '"text"', 'null', '1e400');
select pg_temp.save('team', 'long', '{"id":"long"}', variadic
	array(select json_build_object('id', n, 'content', repeat('line ' || n || ' ', 20)) from generate_series(1, 60) n) || json_build_object('big', repeat('0123456789abcdef', 1500)));
select pg_temp.save('team', 'shrunk', '{"id":"shrunk"}', '{"n":1}', '{"n":2}', '{"n":3}');
select pg_temp.save('team', 'shrunk', '{"id":"shrunk","now":"one message"}', '{"n":1}');
select pg_temp.save('team', 'cleared', '{"id":"cleared"}', '{"n":1}', '{"n":2}');
select api.session_clear_messages('team', 'cleared');
select pg_temp.save('team', 'deleted', '{"id":"deleted"}', '{"n":1}');
select api.plan_save('team', 'deleted', 'gone with it.md', '"text"');
select api.session_delete('team', 'deleted', '{"sessionId":"deleted"}');

select api.labels_save('team', '{"version":1,"labels":[]}'), api.labels_save('team', '{"version":1,"labels":[{"id":"a","name":"Ärger"}]}'),
	api.statuses_save('team', '{"version":1,"statuses":[{"id":"todo"}],"defaultStatusId":"todo"}');
select api.source_create('team', 'github', '{"slug":"github","type":"mcp","nested":{"deep":[[[]]]}}'), api.source_save_guide('team', 'github', '"# Guide\n\ud83d"', '{"sourceSlug":"github"}'),
	api.source_create('team', 'no-guide', '{"slug":"no-guide"}'), api.source_save_config('team', 'no-guide', '{"slug":"no-guide","changed":true}'),
	api.source_create('team', 'gone', '{"slug":"gone"}'), api.source_delete('team', 'gone', '{"sourceSlug":"gone"}');
select api.skill_save('team', 'commit', '"Write a message"', '{"name":"Commit"}'), api.skill_save('team', 'überprüfen', '"\u0000"', '{}'),
	api.skill_save('team', 'gone', '""', '{}'), api.skill_delete('team', 'gone', '{"slug":"gone"}');
select api.plan_save('team', 'plain', 'plan.md', '"# Plan\n\n1. é😀"'), api.plan_save('team', 'plain', 'a/b c.md', '""'), api.plan_save('team', 'plain', 'gone.md', '"x"'),
	api.plan_delete('team', 'plain', 'gone.md'), api.plan_save('team', 'never saved', 'of no session.md', '"x"');

select api.labels_save('the ''quoted'' & nötig', '{"labels":["other"]}');
-- One whose log was cut: its floor is 10.
select api.labels_save('pruned', json_build_object('n', n)) from generate_series(1, 100) n;
select api.prune(90, 36500, 24);

-- ---- 2: projects, credentials, sandboxes ----

\if :has_projects
	\if :has_oauth
		-- Sealed with the test vector's ENCRYPTION_KEY, 00112233445566778899aabbccddeeff twice: {"accessToken":"gho_x"}
		select api.project_remember('team', 'Alice/Notes', 'https://github.com/Alice/Notes'), api.project_remember('team', 'bob/old', 'https://github.com/bob/old.git');
		select api.credential_put('team', 'alice/notes', 'https://github.com/alice/notes', 'main',
			'CwoJCAcGBQQDAgEAlt4/PHLT7zsSI86wRH/9i0BMBUCpZHkYh+3bF5Nh1uuS8VSqR/G6', 'alice', 4242, 'repo', 1700000000000);
		select api.credential_put('team', 'eve/refused', 'https://github.com/eve/refused', null, 'CwoJCAcGBQQDAgEAlt4/PHLT7zsSI86wRH/9i0BMBUCpZHkYh+3bF5Nh1uuS8VSqR/G6',
			null, null, null, 1700000000000);
		select api.credential_checked('team', 'eve/refused', 'CwoJCAcGBQQDAgEAlt4/PHLT7zsSI86wRH/9i0BMBUCpZHkYh+3bF5Nh1uuS8VSqR/G6', false);
		select api.oauth_use('\x000102030405060708090a0b0c0d0e0f', 4102444800000), api.oauth_use('\x100102030405060708090a0b0c0d0e0f', 4102444800000);
	\else
		-- There was no function yet that made any.
		insert into app.project (workspace_id, repo_key, repo_url, default_branch) select id, k, 'https://github.com/' || k, b
			from app.workspace, (values ('Alice/Notes', 'main'), ('bob/old', null)) p (k, b) where slug = 'team';
		insert into app.credential (workspace_id, repo_key, sealed, username, user_id, scope, authenticated_at)
			select id, 'Alice/Notes', 'CwoJCAcGBQQDAgEAlt4/PHLT7zsSI86wRH/9i0BMBUCpZHkYh+3bF5Nh1uuS8VSqR/G6', 'alice', 4242, 'repo', '2023-11-14' from app.workspace where slug = 'team';
	\endif
	\if :has_sandboxes
	\else
		insert into app.sandbox_session (id, workspace_id, repo_key, sandbox_id, branch, status, error, expires_at)
			select ('00000000-0000-4000-8000-00000000000' || n)::uuid, id, 'Alice/Notes', '0000000' || n, 'main', s, case s when 'expired' then 'It crashed' end, '2100-01-01'
			from app.workspace, unnest(array['provisioning', 'cloning', 'ready', 'idle', 'expired']) with ordinality u (s, n) where slug = 'team';
	\endif
\endif

-- ---- 3: files ----

\if :has_files
	-- The blobs' bytes are their files' names.
	create function pg_temp.put(p_session text, p_type text, p_name text, p_blob uuid, p_mime text default 'text/plain') returns text language sql as $$
		select (api.file_put('team', p_session, p_type, p_name, p_blob, octet_length(p_name), p_mime, sha256(convert_to(p_name, 'UTF8')))).status
	$$;
	select pg_temp.put('plain', 'attachments', 'replaced.txt', '10000000-0000-4000-8000-000000000001'), pg_temp.put('plain', 'attachments', 'replaced.txt', '10000000-0000-4000-8000-000000000002'),
		pg_temp.put('plain', 'attachments', 'ünï #?%&+ 😀.png', '10000000-0000-4000-8000-000000000003', 'image/png'), pg_temp.put('plain', 'downloads', 'gone.txt', '10000000-0000-4000-8000-000000000004'),
		pg_temp.put('plain', 'long_responses', 'r.json', '10000000-0000-4000-8000-000000000005', 'application/json'), pg_temp.put('never saved', 'attachments', 'x', '10000000-0000-4000-8000-000000000006'),
		pg_temp.put('', 'assets', 'statuses/icons/todo.svg', '10000000-0000-4000-8000-000000000007', 'image/svg+xml'), pg_temp.put('all gone', 'attachments', 'y', '10000000-0000-4000-8000-000000000008');
	select api.file_delete('team', 'plain', 'downloads', 'gone.txt'), api.files_delete_session('team', 'all gone');
\endif

-- ---- 5: sandboxes that run ----

\if :has_sandboxes
	\set host 20000000-0000-4000-8000-000000000001
	\set other 20000000-0000-4000-8000-000000000002
	select api.host_begin(:'host', 'host-1', '0.1', 100, 'all of them'), api.host_begin(:'other', 'host-2', '0.1', 4, 'none');
	-- Each is claimed before the next one is made.
	select session as ready from api.sandbox_create('team', 'alice/notes', 'main', 1800, 100) \gset
	select from api.sandbox_claim(:'host', 1);
	select session as idle from api.sandbox_create('team', 'alice/notes', 'feature/ü', 1800, 100) \gset
	select from api.sandbox_claim(:'host', 1);
	select session as cloning from api.sandbox_create('team', 'bob/old', 'main', 1800, 100) \gset
	select from api.sandbox_claim(:'host', 1);
	select session as ended from api.sandbox_create('team', 'bob/old', 'main', 1800, 100) \gset
	select from api.sandbox_claim(:'host', 1);
	select session as crashed from api.sandbox_create('team', 'bob/old', 'main', 1800, 100) \gset
	select from api.sandbox_claim(:'other', 1);
	select session as provisioning from api.sandbox_create('team', 'bob/old', 'main', 1800, 100) \gset
	select session as deleted from api.sandbox_create('team', 'bob/old', 'main', 1800, 100) \gset
	select api.sandbox_state(:'host', s, 'cloning', null, null) from unnest(array[:'ready', :'idle', :'cloning', :'ended']) s;
	select api.sandbox_state(:'host', :'ready', 'ready', null, '0123456789abcdef0123456789abcdef01234567'), api.sandbox_state(:'host', :'idle', 'ready', null, 'ff'),
		api.sandbox_state(:'host', :'idle', 'idle', null, null);
	select api.sandbox_append(:'host', :'ready', 0, array['', 'client-1', ''], array['{"type":"status","status":"ready"}', '{"type":"pong"}', '{"type":"stream","data":"{\"half\":\"\\ud83d\"}"}']);
	select api.sandbox_submit('team', :'ready', 'client-1', 'execute', null, null, '{"type":"execute","task":"\u0000"}', 1800),
		api.sandbox_submit('team', :'ready', 'client-1', 'tool', '"t1"', 'Bash', '{"type":"tool"}', 1800);
	select api.sandbox_job_end((select max(job) from api.sandbox_jobs(:'host', 100)), 'success', 0, 10);
	select api.sandbox_submit('team', :'provisioning', 'client-2', 'tool', '1', 'Read', '{"type":"tool"}', 1800), api.sandbox_submit('team', :'deleted', 'client-2', 'tool', '1', 'Read', '{"type":"tool"}', 1800);
	select api.sandbox_end(:'other', :'crashed', 'crash', 'It crashed'), api.sandbox_cleaned(:'other', :'crashed'), api.sandbox_delete('team', :'deleted'), api.sandbox_delete('team', :'ended');
	select api.host_end(:'other');
\endif

-- ---- 6: keys ----

\if :has_keys
	-- sha256 and sealed are those of KEY, which make-fixture has made of what the tests know.
	select api.key_add('0123456789abcdef', 'team', 'laptop', sha256(convert_to(:'key', 'UTF8')), :'sealed', false, null, null),
		api.key_add('1123456789abcdef', 'team', 'reader', sha256('r'), :'sealed', true, 600, 4102444800000),
		api.key_add('2123456789abcdef', 'team', 'expired', sha256('e'), :'sealed', false, 1, 1700000000000),
		api.key_add('3123456789abcdef', 'team', 'revoked', sha256('x'), :'sealed', false, null, null), api.key_revoke('team', 'revoked'),
		api.key_add('4123456789abcdef', 'not there yet', 'ünï', sha256('n'), :'sealed', false, null, null);
	select api.sandbox_submit('team', :'idle', 'client-3', 'diff', null, null, '{"type":"diff"}', 1800, '0123456789abcdef');
\endif
