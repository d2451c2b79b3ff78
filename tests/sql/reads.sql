-- What REST reads: order of lists, ETags that change when and only when the thing does, parts of bounded size, defaults.
begin;
select plan(46);

-- Never written to.
select results_eq($$ select body::text from api.statuses('none') $$, $$ values ('{"version":1,"statuses":[],"defaultStatusId":"todo"}') $$, 'default statuses');
select results_eq($$ select body::text from api.labels('none') $$, $$ values ('{"version":1,"labels":[]}') $$, 'default labels');
create temp table list (call text);
insert into list values ('sessions(''none'')'), ('plans(''none'', ''s'')'), ('sources(''none'')'), ('skills(''none'')'), ('projects(''none'')'), ('sandboxes(''none'')');
select results_eq('select tag is not null, body::text from api.' || call, 'values (true, null::text)', call || ' is an ETag alone') from list;
create temp table single (call text);
insert into single values ('session_parts(''none'', ''s'')'), ('plan_parts(''none'', ''s'', ''p'')'), ('source(''none'', ''s'')'), ('project(''none'', ''o/r'')'),
	('credential_get(''none'', ''o/r'')'), ('sandbox(''none'', ''x'')');
select is_empty('select * from api.' || call, call || ' has no row') from single;
select is(api.session_tag('none', 's'), null, 'no session, no ETag');
select is(api.credential_delete('none', 'o/r'), null, 'no credential to delete');
select is((select count(*) from app.workspace), 0::bigint, 'reading makes no workspace');

-- Order.
do $$
begin
	perform api.session_create('w', 'a', '{"id":"a"}');
	perform api.session_create('w', 'b', '{"id":"b"}');
	perform api.session_create('w', 'c', '{"id":"c"}');
	perform api.session_update('w', 'a', '{"id":"a","n":1}');
	perform api.session_create('other', 'x', '{"id":"x"}');
	perform api.source_create('w', 'one', '{"slug":"one"}');
	perform api.source_create('w', 'two', '{"slug":"two"}');
	perform api.source_save_config('w', 'one', '{"slug":"one","n":1}');
	perform api.source_save_guide('w', 'guide', '"only"');
	perform api.skill_save('w', 'one', '"1"', '{}');
	perform api.skill_save('w', 'two', '"2"', '{}');
	perform api.skill_save('w', 'one', '"3"', '{}');
	perform api.plan_save('w', 'a', 'one', '"1"');
	perform api.plan_save('w', 'a', 'two', '"2"');
	perform api.plan_save('w', 'a', 'one', '"3"');
	perform api.plan_save('w', 'b', 'other', '"4"');
end
$$;
select is((select string_agg(body::text, ' ') from api.sessions('w')), '{"id":"a","n":1} {"id":"c"} {"id":"b"}', 'sessions: most recently updated first');
select is((select string_agg(body::text, ' ') from api.sources('w')), '{"slug":"two"} {"slug":"one","n":1}', 'sources: newest first, without those that are a guide only');
select is((select string_agg(body ->> 'slug', ' ') from api.skills('w')), 'two one', 'skills: newest first');
select is((select string_agg(body ->> 'name', ' ') from api.plans('w', 'a')), 'one two', 'plans: newest first');
select is((select body::text from api.source('w', 'guide')), '{"config" : null, "guide" : "only"}', 'a guide without a config');
select ok((select bool_and((body ->> 'modifiedAt')::bigint between 1700000000000 and 4102444800000) from api.plans('w', 'a') where body is not null), 'times are milliseconds');

-- ETags.
select is((select count(distinct t) from (select tag from api.sessions('w') where body is null union all select tag from api.sources('w') where body is null
	union all select tag from api.skills('w') where body is null union all select tag from api.plans('w', 'a') where body is null
	union all select tag from api.labels('w') union all select tag from api.statuses('w') union all select tag from api.source('w', 'one')
	union all select api.workspace_tag('w')) x (t)), 1::bigint, 'the lists of a workspace have one ETag');
select api.workspace_tag('w') as list_tag, api.workspace_tag('other') as other_tag, api.session_tag('w', 'b') as session_tag \gset
select is((select tag from api.session_parts('w', 'b') limit 1), :'session_tag', 'session_tag is that of its parts');
select api.session_update('w', 'a', '{"id":"a","n":2}') as updated \gset
select isnt(api.workspace_tag('w'), :'list_tag', 'a change changes the workspace''s ETag');
select is(api.workspace_tag('other'), :'other_tag', 'but not another one''s');
select is(api.session_tag('w', 'b'), :'session_tag', 'nor that of a session that it didn''t touch');
select api.session_save('w', 'b', '{"id":"b","n":3}') as saved \gset
select isnt(api.session_tag('w', 'b'), :'session_tag', 'a save changes the session''s');
select api.session_tag('w', 'b') as session_tag \gset
select api.session_clear_messages('w', 'b') as cleared \gset
select isnt(api.session_tag('w', 'b'), :'session_tag', 'and so does clearing');
select api.session_tag('w', 'b') as session_tag, api.session_delete('w', 'b') as deleted \gset
select api.session_create('w', 'b', '{"id":"b"}') as made \gset
select isnt(api.session_tag('w', 'b'), :'session_tag', 'and making it anew');
select tag as plan_tag from api.plan_parts('w', 'a', 'two') \gset
select api.plan_save('w', 'a', 'two', '"22"') as saved \gset
select isnt((select tag from api.plan_parts('w', 'a', 'two')), :'plan_tag', 'a plan has its own');
select api.session_tag('w', 'a') as session_tag, api.workspace_tag('w') as list_tag, api.epoch_renew() as renewed \gset
select ok(api.session_tag('w', 'a') <> :'session_tag' and api.workspace_tag('w') <> :'list_tag', 'another epoch changes all');

-- Parts: bounded, cut anywhere, in order, whole together.
do $$
begin
	perform api.session_save('w', 'big', '{"id":"big"}', p_count => 3, p_bytes => 1, p_idx => '{0,1,2}', p_hash => '{1,2,3}',
		p_body => array['"first"', to_json(repeat('é', 4500000)), '"last"']::json[]);
end
$$;
create temp table parts as select row_number() over () as n, tag, starts, piece is null as whole,
	coalesce(piece, convert_to(part::text, 'UTF8')) as part from api.session_parts('w', 'big');
select is((select array_agg(length(part) order by n) from parts), array[12, 7, 4194304, 4194304, 611394, 6], 'no part is above 4 MiB');
select is((select array_agg(whole order by n) from parts), array[true, true, false, false, false, true], 'only the long one comes in pieces');
select is((select array_agg(starts order by n) from parts), array[true, true, true, false, false, true], 'starts tells where a message begins');
select is((select md5(string_agg(part, '' order by n)) from parts where n between 3 and 5), md5(to_json(repeat('é', 4500000))::text), 'together they are the message');
select is((select array_agg(tag is not null order by n) from parts), array[true, false, false, false, false, false], 'the first has the ETag');

-- Projects and sandboxes.
insert into app.project (workspace_id, repo_key, repo_url, default_branch, added_at)
	select w.id, k, 'https://github.com/' || k, 'main', '2026-01-02 03:04:05.678+00' from app.workspace w, unnest(array['o/first', 'o/second']) with ordinality u (k, n) where w.slug = 'w' order by n;
insert into app.credential (workspace_id, repo_key, sealed, username, user_id, scope, authenticated_at)
	select w.id, 'o/first', 'SEALED', 'octocat', 7, 'repo', '2026-01-02 03:04:05.678+00' from app.workspace w where w.slug = 'w';
insert into app.sandbox_session (id, workspace_id, repo_key, sandbox_id, branch, status, created_at, last_activity_at, expires_at)
	select '11111111-2222-3333-4444-555555555555', w.id, 'o/first', '11111111', 'main', 'ready', to_timestamp(1), to_timestamp(2), to_timestamp(3) from app.workspace w where w.slug = 'w';
select is((select string_agg(body::text, ' ') from api.projects('w')),
	'{"repoKey" : "o/second", "repoUrl" : "https://github.com/o/second", "defaultBranch" : "main", "addedAt" : 1767323045678, "hasGitHubAuth" : false} '
	|| '{"repoKey" : "o/first", "repoUrl" : "https://github.com/o/first", "defaultBranch" : "main", "addedAt" : 1767323045678, "hasGitHubAuth" : true}', 'projects');
select is((select body ->> 'github' from api.project('w', 'o/first')), '{"username" : "octocat", "userId" : 7, "scope" : "repo", "authenticatedAt" : 1767323045678}', 'a project with its GitHub user');
select is((select count(*) from (select body from api.projects('w') union all select body from api.project('w', 'o/first')) x (b) where b::text like '%SEALED%'), 0::bigint, 'and no token');
select results_eq($$ select has_github_auth, github_username from report.projects where repo_key = 'o/first' $$, $$ values (true, 'octocat') $$, 'the view shows whose credential it is');
select is((select string_agg(body::text, '') from api.sandboxes('w')), (select body::text from api.sandbox('w', '11111111-2222-3333-4444-555555555555')), 'a sandbox reads alike in the list and alone');
select tag as tag from api.project('w', 'o/first') \gset
select is(api.credential_delete('w', 'o/first'), 'SEALED', 'deleting a credential');
select is((select (body ->> 'hasGitHubAuth') || coalesce(body ->> 'github', ' null') from api.project('w', 'o/first')), 'false null', 'leaves the project without one');
select isnt((select tag from api.project('w', 'o/first')), :'tag', 'with another ETag');

select * from finish();
rollback;
