-- What the daemons take for granted of a row holds for SQL users too: they are refused by the constraint's name.
begin;
select plan(15);

create function tap.refused(p_sql text, p_constraint text) returns text language sql as $$
	select throws_like(p_sql, '%"' || p_constraint || '"%', p_sql)
$$;

select tap.refused($$ select api.session_create('w', 's', '[1]') $$, 'session_header_is_object');
select tap.refused($$ select api.session_save('w', 's', '"x"') $$, 'session_header_is_object');
select tap.refused($$ select api.source_create('w', 's', '5') $$, 'source_config_is_object');
select tap.refused($$ select api.source_save_config('w', 's', '[]') $$, 'source_config_is_object');
select tap.refused($$ select api.skill_save('w', 's', '5', '{}') $$, 'skill_content_is_string');
select tap.refused($$ select api.plan_save('w', 's', 'p', '{}') $$, 'plan_content_is_string');
select tap.refused($$ select api.plan_save('w', 's', 'p', 'null') $$, 'plan_content_is_string');
select tap.refused($$ select api.project_remember('w', 'o/r', 'https://user:secret@host/o/r') $$, 'project_url_has_no_credentials');
select tap.refused($$ select api.project_remember('w', 'o/r', 'HTTPS://token@host/o/r') $$, 'project_url_has_no_credentials');
select tap.refused($$ select api.project_remember('w', 'o/r', 'ssh://git:secret@host/o/r') $$, 'project_url_has_no_credentials');
select lives_ok($$ select api.project_remember('w', 'o/r', 'ssh://git@host:22/o/r') $$, 'ssh with a name is fine');
select tap.refused($$ select api.project_remember('w', 'o/../r', 'https://host/o/r') $$, 'project_key_is_plain');
select lives_ok($$ select api.project_remember('w', 'o/..r.', 'https://host/o/@r') $$, 'dots and @ elsewhere are fine');
select lives_ok($$ select api.source_save_guide('w', 'g', '5') $$, 'a guide is any JSON');
select is((select count(*) from app.session) + (select count(*) from app.skill) + (select count(*) from app.plan), 0::bigint, 'nothing of these is there');

select * from finish();
rollback;
