-- OAuth states that are used once, projects that are remembered, and their credentials: stored, refused by GitHub, granted anew,
-- sealed under another key, forgotten.
begin;
select plan(96);

create function tap.remember(p_repo_key text, p_repo_url text, p_workspace text default 'w') returns void language sql as $$
	select api.project_remember(p_workspace, p_repo_key, p_repo_url)
$$;
create function tap.put(p_repo_key text, p_sealed text, p_user text default 'octocat', p_branch text default 'main', p_workspace text default 'w',
	p_ms bigint default 1767323045678) returns void language sql as $$
	select api.credential_put(p_workspace, p_repo_key, 'https://github.com/' || lower(p_repo_key), p_branch, p_sealed, p_user, length(p_user), 'repo', p_ms)
$$;
create function tap.project(p_repo_key text, p_workspace text default 'w') returns app.project language sql as $$
	select p from app.project p join app.workspace w on w.id = p.workspace_id where w.slug = p_workspace and p.repo_id = lower(p_repo_key)
$$;
create function tap.credential(p_repo_key text, p_workspace text default 'w') returns app.credential language sql as $$
	select c from app.credential c join app.workspace w on w.id = c.workspace_id where w.slug = p_workspace and c.repo_id = lower(p_repo_key)
$$;
create function tap.auth(p_repo_key text, p_workspace text default 'w') returns text language sql as $$
	select concat_ws(' ', x.body ->> 'hasGitHubAuth', x.body #>> '{github,username}') from api.project(p_workspace, p_repo_key) x
$$;
-- Everything there is, to see that nothing changed.
create function tap.state() returns text language sql as $$
	select md5(concat((select string_agg(w.slug || ' ' || w.seq, ',' order by w.id) from app.workspace w),
		(select string_agg(p::text || p.ctid, ',' order by p.workspace_id, p.repo_id) from app.project p),
		(select string_agg(c::text || c.ctid, ',' order by c.workspace_id, c.repo_id) from app.credential c)))
$$;

-- Projects.
select tap.remember('Octo/Hello', 'https://github.com/Octo/Hello') as done \gset
select results_eq($$ select w.slug, p.repo_key, p.repo_url, p.default_branch, abs(extract(epoch from clock_timestamp() - p.added_at)) < 60
	from app.project p join app.workspace w on w.id = p.workspace_id $$,
	$$ values ('w', 'Octo/Hello', 'https://github.com/Octo/Hello', null::text, true) $$, 'a project makes its workspace');
select is(tap.seq('w'), 0::bigint, 'it is no synced change');
select tap.state() as state, tap.remember('Octo/Hello', 'https://github.com/Octo/Hello') as done \gset
select is(tap.state(), :'state', 'the same again writes nothing');
select tap.remember('octo/hELLO', 'git@github.com:octo/hello.git') as done \gset
select is((select string_agg(p.repo_key || ' ' || p.repo_url, ',') from app.project p), 'Octo/Hello git@github.com:octo/hello.git',
	'in other case it is the same project: its name stays, its URL is the new one');
select tap.remember('octo/hello.js', 'https://github.com/octo/hello.js') as done, tap.remember('octo/hello', 'https://github.com/octo/hello', 'v') as done \gset
select is((select string_agg(body ->> 'repoKey', ' ') from api.projects('w')), 'octo/hello.js Octo/Hello', 'projects of a workspace, newest first');
select is((select string_agg(body ->> 'repoKey', ' ') from api.projects('v')), 'octo/hello', 'another workspace has its own');
select is((select body ->> 'repoKey' from api.project('w', spelling)), 'Octo/Hello', spelling || ' is found')
	from unnest(array['Octo/Hello', 'octo/hello', 'OCTO/HELLO']) spelling;
select is_empty($$ select * from api.project('W', 'octo/hello') $$, 'workspaces'' names have a case');
select is(app.repo_id('OWNER/ÉIİẞ'), 'owner/Éiİẞ', 'case is that of ASCII, whatever the database''s language');

select is_empty($$ select i.indrelid::regclass from pg_index i where i.indisunique and i.indrelid in ('app.project'::regclass, 'app.credential'::regclass)
	group by 1 having count(*) <> 1 $$, 'two inserts at once can meet in one unique index only');

select tap.state() as state \gset
create temp table bad (what text, call text, state text);
insert into bad values
	('no workspace', 'null, ''o/r'', ''u''', '22023'),
	('an empty workspace', ''''', ''o/r'', ''u''', '22023'),
	('a workspace of 1,025 bytes', 'repeat(''é'', 512) || ''x'', ''o/r'', ''u''', '22023'),
	('no key', '''new'', null, ''u''', '23502'),
	('a key of 2 bytes', '''new'', ''or'', ''u''', '23514'),
	('a key of 257 bytes', '''new'', ''o/'' || repeat(''r'', 255), ''u''', '23514'),
	('no URL', '''new'', ''o/r'', null', '23502'),
	('no URL for a project that is there', '''w'', ''octo/hello'', null', '23502');
select throws_ok('select api.project_remember(' || call || ')', state, null, what) from bad;
select is(tap.state(), :'state', 'what is refused makes nothing');
select lives_ok($$ select tap.remember('o/' || repeat('r', 254), 'u', repeat('é', 512)) $$, 'the longest names');

-- A credential of a repository that nobody has asked for yet.
select is_empty($$ select * from api.credential_get('w', 'octo/hello') $$, 'no credential');
select is(tap.auth('octo/hello'), 'false', 'no GitHub user');
select tap.put('Acme/New', 'SEALED-1', p_workspace => 'acme') as done \gset
select is((p).repo_key || ' ' || (p).repo_url || ' ' || (p).default_branch, 'Acme/New https://github.com/acme/new main', 'a credential makes workspace and project')
	from tap.project('acme/new', 'acme') p;
select results_eq($$ select sealed, invalid, abs(checked_ms - extract(epoch from clock_timestamp()) * 1000) < 60000 from api.credential_get('acme', 'acme/NEW') $$,
	$$ values ('SEALED-1', false, true) $$, 'is found in any case, as just checked');
select is((select body ->> 'github' from api.project('acme', 'acme/new')),
	'{"username" : "octocat", "userId" : 7, "scope" : "repo", "authenticatedAt" : 1767323045678}', 'and shown with its user');
select is(tap.seq('acme'), 0::bigint, 'it is no synced change either');

-- Of one that is there.
select tag as tag from api.project('w', 'octo/hello') \gset
select tap.put('octo/HELLO', 'SEALED-2') as done \gset
select is((p).repo_key || ' ' || (p).repo_url || ' ' || (p).default_branch, 'Octo/Hello git@github.com:octo/hello.git main',
	'a project keeps the URL that the client gave, and gets its default branch') from tap.project('octo/hello') p;
select is(tap.auth('octo/hello'), 'true octocat', 'it has its GitHub user');
select is((select string_agg(body ->> 'hasGitHubAuth', ' ') from api.projects('w')), 'false true', 'in the list as well');
select isnt((select tag from api.project('w', 'octo/hello')), :'tag', 'with another ETag');
select is(tap.auth('octo/hello', 'v'), 'false', 'another workspace''s project of the same name has none');
select tap.put('octo/hello', 'SEALED-3', 'hubot', p_branch => null) as done \gset
select is((p).default_branch, 'main', 'a default branch stays when the next one is unknown') from tap.project('octo/hello') p;
select results_eq($$ select (c).sealed, (c).username, (c).user_id, (c).scope, count(*) over () from app.credential c join app.workspace w on w.id = c.workspace_id where w.slug = 'w' $$,
	$$ values ('SEALED-3', 'hubot', 5::bigint, 'repo', 1::bigint) $$, 'granted anew it takes the place of the old one');
select tap.put('octo/hello', 'SEALED-3', 'hubot', p_branch => 'trunk', p_ms => 1767323099999) as done \gset
select is((p).default_branch, 'trunk', 'another default branch is taken over') from tap.project('octo/hello') p;
select is(app.ms((c).authenticated_at), 1767323099999, 'and the time of the grant') from tap.credential('octo/hello') c;
select count(*) as done from unnest(array[null, -1, 253402300800000]) with ordinality t (ms, n), tap.put('octo/time' || n, 'SEALED-4', p_ms => ms) \gset
select is((select array_agg(abs(extract(epoch from clock_timestamp() - c.authenticated_at)) < 60) from app.credential c where c.sealed = 'SEALED-4'), array[true, true, true],
	'a time that can''t be is now');
delete from app.credential c where c.repo_key in ('octo/time1', 'octo/time2');

-- What is refused is refused without a word of the sealed text: a message with the row would go to PostgreSQL's log.
create function tap.complaint(p_statement text) returns text language plpgsql as $$
declare
	v_text text;
	v_detail text;
begin
	execute p_statement;
	return 'no error';
exception when others then
	get stacked diagnostics v_text = message_text, v_detail = pg_exception_detail;
	return sqlstate || ' ' || v_text || ' ' || coalesce(v_detail, '');
end
$$;
insert into bad values ('no sealed text', null, '23502');
select matches(c, '^' || state || '((?!SEALED).)*$', 'a credential: ' || what)
	from (select what, state, tap.complaint('select api.credential_put(' || coalesce(call, '''new'', ''o/r'', ''u''') || ', ''main'', ' || case when call is null then 'null' else '''SEALED''' end
		|| ', ''octocat'', 1, ''repo'', 1)') as c from bad where what not like '%is there') x;
select is((select count(*) from app.workspace where slug = 'new'), 0::bigint, 'and makes nothing');

-- GitHub refuses it.
select tap.state() as state, api.credential_checked('w', 'octo/hello', 'SEALED-2', false) as done \gset
select is(tap.state(), :'state', 'what GitHub says of an older credential changes nothing');
select api.credential_checked('w', 'octo/hello', 'SEALED-3', null) as done, api.credential_checked('W', 'octo/hello', 'SEALED-3', false) as done,
	api.credential_checked('w', 'octo/none', 'SEALED-3', false) as done \gset
select is(tap.state(), :'state', 'nor does an unknown answer, workspace or repository');
update app.credential set checked_at = null where sealed = 'SEALED-3';
select is((select checked_ms from api.credential_get('w', 'octo/hello')), null, 'one that was never checked');
select tag as tag, (select tag from api.projects('w') where body is null) as list_tag from api.project('w', 'octo/hello') \gset
select api.credential_checked('w', 'Octo/Hello', 'SEALED-3', false) as done \gset
select results_eq($$ select sealed, invalid, checked_ms is not null from api.credential_get('w', 'octo/hello') $$, $$ values ('SEALED-3', true, true) $$, 'a credential that GitHub refused');
select is(tap.auth('octo/hello'), 'false', 'is none for the clients');
select is((select body ->> 'github' from api.project('w', 'octo/hello')), null, 'whose user they aren''t shown');
select is((select string_agg(body ->> 'hasGitHubAuth', ' ') from api.projects('w') where body ->> 'repoKey' = 'Octo/Hello'), 'false', 'nor in the list');
select isnt((select tag from api.project('w', 'octo/hello')), :'tag', 'with another ETag');
select isnt((select tag from api.projects('w') where body is null), :'list_tag', 'and the list''s');
select results_eq($$ select has_github_auth, github_username, github_invalid_at = github_checked_at from report.projects where workspace = 'w' and repo_key = 'Octo/Hello' $$,
	$$ values (false, 'hubot', true) $$, 'the DBA sees whose it was, and since when it is refused');
select (c).invalid_at as first from tap.credential('octo/hello') c \gset
select api.credential_checked('w', 'octo/hello', 'SEALED-3', false) as done \gset
select ok((c).invalid_at = :'first' and (c).checked_at > :'first', 'refused again: it is so since the first time') from tap.credential('octo/hello') c;
select api.credential_checked('w', 'octo/hello', 'SEALED-3', true) as done \gset
select is(tap.auth('octo/hello'), 'true hubot', 'accepted again it is good');
select results_eq($$ select has_github_auth, github_invalid_at from report.projects where workspace = 'w' and repo_key = 'Octo/Hello' $$, $$ values (true, null::timestamptz) $$,
	'for the DBA as well');
select api.credential_checked('w', 'octo/hello', 'SEALED-3', false) as done, tap.put('octo/hello', 'SEALED-5') as done \gset
select is(tap.auth('octo/hello'), 'true octocat', 'one granted anew is good');
select is((select sealed || invalid from api.credential_get('w', 'octo/hello')), 'SEALED-5false', 'whatever was said of the one before');

-- Another key.
create temp table page (n integer generated always as identity, workspace_id bigint, repo_key text, sealed text, workspace text);
select tap.put('Zeta/A', 'SEALED-6') as done, tap.put('beta/B', 'SEALED-7') as done, tap.put('octo/hello', 'SEALED-8', p_workspace => 'v') as done \gset
do $$
declare
	v_workspace bigint;
	v_repo      text;
	v_count     integer;
begin
	loop
		insert into page (workspace_id, repo_key, sealed, workspace) select * from api.credentials_to_rekey(v_workspace, v_repo, 2);
		get diagnostics v_count = row_count;
		exit when v_count = 0 or (select count(*) from page) > 100;
		select workspace_id, repo_key into v_workspace, v_repo from page order by n desc limit 1;
	end loop;
end
$$;
select is((select string_agg(workspace || ':' || repo_key || ':' || sealed, ' ' order by n) from page),
	'w:beta/B:SEALED-7 w:octo/HELLO:SEALED-5 w:octo/time3:SEALED-4 w:Zeta/A:SEALED-6 v:octo/hello:SEALED-8 acme:Acme/New:SEALED-1',
	'in pages all come once, in one order');
select is((select count(*) from api.credentials_to_rekey(null, null, 3)), 3::bigint, 'and no more than asked for');
select api.credential_checked('w', 'zeta/a', 'SEALED-6', false) as done \gset
select (c).workspace_id as id, (c).invalid_at as invalid, tap.state() as state from tap.credential('zeta/a') c \gset
select is(api.credential_rekey(:id, 'zeta/a', 'SEALED-0', 'RESEALED'), false, 'a text that isn''t that of the row any more');
select is(api.credential_rekey(:id, 'zeta/none', 'SEALED-6', 'RESEALED'), false, 'a repository without a credential');
select is(tap.state(), :'state', 'are replaced by nothing');
select is(api.credential_rekey(:id, 'zeta/a', 'SEALED-6', 'RESEALED-6'), true, 'one that is still the same');
select ok((c).sealed = 'RESEALED-6' and (c).invalid_at = :'invalid' and (c).username = 'octocat', 'is, and nothing else changes') from tap.credential('zeta/a') c;
select is((select count(*) from app.credential c where c.sealed like 'RESEALED%'), 1::bigint, 'of no other row');

-- No way to see one.
create temp table seen (what text);
do $$
declare
	v_view regclass;
begin
	for v_view in select c.oid from pg_class c where c.relnamespace = 'report'::regnamespace and c.relkind = 'v' loop
		execute format('insert into seen select %L from %s x where x::text like %L', v_view, v_view, '%SEALED%');
	end loop;
end
$$;
insert into seen select 'api.projects' from api.projects('w') x where x::text like '%SEALED%';
insert into seen select 'api.project' from api.project('w', 'octo/hello') x where x::text like '%SEALED%';
select is_empty('select what from seen', 'no view and no answer shows a sealed text');
select cmp_ok((select count(*) from report.projects where has_github_auth), '>', 1::bigint, 'though there are some');

-- Forgotten.
select is(api.credential_delete('w', 'OCTO/hello'), 'SEALED-5', 'a credential that is deleted is returned');
select is_empty($$ select * from api.credential_get('w', 'octo/hello') $$, 'and gone');
select is(api.credential_delete('w', 'octo/hello'), null, 'deleted again it is no error');
select is(tap.auth('octo/hello'), 'false', 'the project stays');
select is(tap.auth('octo/hello', 'v'), 'true octocat', 'and so does another workspace''s credential');
select is(api.credential_delete('w', 'zeta/a'), 'RESEALED-6', 'one that GitHub refused is returned as well');

-- OAuth states.
create function tap.use(p_nonce text, p_in interval) returns boolean language sql as $$
	select api.oauth_use(decode(md5(p_nonce), 'hex'), (extract(epoch from clock_timestamp() + p_in) * 1000)::bigint)
$$;
select is(tap.use('a', '10 min'), true, 'a state is used');
select is(tap.use('a', '10 min'), false, 'once');
select is(tap.use('a', '20 min'), false, 'with another expiry as well');
select is(tap.use('b', '10 min'), true, 'another is another');
select is(tap.use('old', '-59 min'), true, 'one that expired lately (by this clock)');
select is(tap.use('older', '-61 min'), false, 'and one that may be forgotten already');
select throws_ok($$ select api.oauth_use('\x00', 4102444800000) $$, '23514', null, 'a nonce of another length');
select throws_ok($$ select api.oauth_use(null, 4102444800000) $$, '23502', null, 'none');
select throws_ok($$ select api.oauth_use(decode(md5('c'), 'hex'), null) $$, '23502', null, 'one that never expires');
insert into app.oauth_used select decode(md5('gone' || i), 'hex'), clock_timestamp() - interval '2 hours' - make_interval(secs => i) from generate_series(1, 150) i;
select is(tap.use('c', '10 min'), true, 'the next one');
select results_eq($$ select count(*), max(extract(epoch from now() - expires_at)::bigint) < 7260 from app.oauth_used where expires_at < now() - interval '1 hour' $$, 'values (50::bigint, true)',
	'forgets a hundred, the oldest');
select is(tap.use('d', '10 min'), true, 'and the one after it');
select is((select count(*) from app.oauth_used), 5::bigint, 'the others');
select is(tap.use(nonce, '10 min'), false, nonce || ' is still known') from unnest(array['a', 'b', 'c', 'd']) nonce;
select is(tap.use('old', '-59 min'), false, 'and so is the one that expired lately');

select * from finish();
rollback;
