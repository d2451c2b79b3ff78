-- What the catalogs must say: comments on everything, privileges, search paths, storage.
begin;
select plan(36);

create temp view ours as select n.oid, n.nspname from pg_namespace n where n.nspname in ('app', 'api', 'report');

select is_empty($$ select o.nspname from ours o where obj_description(o.oid, 'pg_namespace') is null $$, 'every schema has a comment');
select is_empty($$ select c.oid::regclass from pg_class c join ours o on o.oid = c.relnamespace
	where c.relkind in ('r', 'v', 'm', 'p', 'c') and coalesce(obj_description(c.oid, 'pg_class'), obj_description(c.reltype, 'pg_type')) is null $$,
	'every table, view and composite type has a comment');
select is_empty($$ select c.oid::regclass, a.attname from pg_class c join ours o on o.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
	where c.relkind in ('r', 'v', 'm', 'p', 'c') and a.attnum > 0 and not a.attisdropped and col_description(c.oid, a.attnum) is null $$,
	'every column has a comment');
select is_empty($$ select p.oid::regprocedure from pg_proc p join ours o on o.oid = p.pronamespace where obj_description(p.oid, 'pg_proc') is null $$,
	'every function has a comment');
select is_empty($$ select t.typname from pg_type t join ours o on o.oid = t.typnamespace
	where t.typtype in ('d', 'e', 'r') and obj_description(t.oid, 'pg_type') is null $$, 'every domain and enum has a comment');
select is_empty($$ select r from unnest(array['craft_owner', 'craft_daemon', 'craft_dba']) r
	where shobj_description(to_regrole(r), 'pg_authid') is null $$, 'every role has a comment');
select cmp_ok((select count(*) from pg_proc p join ours o on o.oid = p.pronamespace), '>', 40::bigint, 'there are functions to look at');

select is_empty($$ select c.oid::regclass::text from pg_class c join ours o on o.oid = c.relnamespace where pg_get_userbyid(c.relowner) <> 'craft_owner'
	union all select p.oid::regproc::text from pg_proc p join ours o on o.oid = p.pronamespace where pg_get_userbyid(p.proowner) <> 'craft_owner' $$,
	'everything belongs to craft_owner');
select is_empty($$ select p.oid::regprocedure from pg_proc p join ours o on o.oid = p.pronamespace where has_function_privilege('public', p.oid, 'execute') $$,
	'public may execute nothing');
select is_empty($$ select o.nspname from ours o where has_schema_privilege('public', o.oid, 'usage') or has_schema_privilege('public', o.oid, 'create') $$,
	'public may not even look into the schemas');
select is_empty($$ select p.oid::regprocedure from pg_proc p join ours o on o.oid = p.pronamespace
	where p.prosecdef and not coalesce(p.proconfig::text ~ 'search_path=app,( pg_catalog,)? pg_temp', false) $$,
	'every security definer function sets its search path, pg_temp last');
select is_empty($$ select p.oid::regprocedure from pg_proc p where p.pronamespace = 'api'::regnamespace and not p.prosecdef $$,
	'every function of api runs with the owner''s rights');
select is_empty($$ select p.oid::regprocedure from pg_proc p where p.pronamespace in ('app'::regnamespace, 'report'::regnamespace) and p.prosecdef $$,
	'no other function does');

select is_empty($$ select p.oid::regprocedure from pg_proc p where p.pronamespace = 'api'::regnamespace
	and not has_function_privilege('craft_daemon', p.oid, 'execute') $$, 'craft_daemon may execute all of api');
select is_empty($$ select p.oid::regprocedure from pg_proc p where p.pronamespace = 'app'::regnamespace
	and has_function_privilege('craft_daemon', p.oid, 'execute') $$, 'and nothing of app');
select is_empty($$ select c.oid::regclass from pg_class c join ours o on o.oid = c.relnamespace where c.relkind in ('r', 'v', 'm', 'p', 'S')
	and (has_table_privilege('craft_daemon', c.oid, 'select, insert, update, delete, truncate, references, trigger')) $$,
	'craft_daemon may read and write no table and no view');
select ok(not has_schema_privilege('craft_daemon', 'app', 'usage') and not has_schema_privilege('craft_daemon', 'report', 'usage'),
	'craft_daemon sees only api');

select is_empty($$ select c.oid::regclass from pg_class c where c.relnamespace = 'report'::regnamespace and c.relkind = 'v'
	and not has_table_privilege('craft_dba', c.oid, 'select') $$, 'craft_dba may read every view');
select is_empty($$ select c.oid::regclass from pg_class c join ours o on o.oid = c.relnamespace where c.relkind in ('r', 'v', 'm', 'p', 'S')
	and has_table_privilege('craft_dba', c.oid, 'insert, update, delete, truncate, references, trigger') $$, 'and write nothing');
select is_empty($$ select c.oid::regclass from pg_class c where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'v', 'm', 'p', 'S')
	and has_table_privilege('craft_dba', c.oid, 'select') $$, 'craft_dba may read no table, credentials included');
select is_empty($$ select p.oid::regprocedure from pg_proc p join ours o on o.oid = p.pronamespace where has_function_privilege('craft_dba', p.oid, 'execute') $$,
	'craft_dba may execute nothing');
select is_empty($$ select c.oid::regclass, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
	where c.relnamespace = 'report'::regnamespace and c.relkind = 'v' and a.attname ~ 'sealed|token|secret' $$, 'no view has a secret''s column');
select is_empty($$ select distinct v.oid::regclass from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class v on v.oid = r.ev_class
	join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
	where d.classid = 'pg_rewrite'::regclass and d.refobjid = 'app.credential'::regclass and a.attname = 'sealed' $$, 'no view reads app.credential.sealed');
select is_empty($$ select distinct v.oid::regclass from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class v on v.oid = r.ev_class
	join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
	where d.classid = 'pg_rewrite'::regclass and d.refobjid = 'app.api_key'::regclass and a.attname in ('sealed', 'sha256') $$,
	'no view reads app.api_key.sealed and sha256');
select results_eq($$ select rolname::text collate "default", rolcanlogin, rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication
	from pg_roles where rolname like 'craft\_%' order by 1 $$,
	$$ values ('craft_daemon', true, false), ('craft_dba', false, false), ('craft_owner', false, false) $$, 'the roles have no more rights than they need');

select is_empty($$ select c.oid::regclass, a.attname from pg_class c join ours o on o.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
	where c.relkind = 'r' and a.attnum > 0 and a.atttypid = 'json'::regtype and a.attcompression <> 'l' $$, 'every json column is compressed by lz4');
select is_empty($$ select c.oid::regclass, a.attname from pg_class c join ours o on o.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
	where a.attnum > 0 and a.atttypid in ('jsonb'::regtype, 'timestamp'::regtype, 'varchar'::regtype, 'bpchar'::regtype) $$,
	'no jsonb, no time without a zone, no varchar');
select results_eq($$ select c.relname::text collate "default", array_to_string(c.reloptions, ' ') collate "default" from pg_class c join ours o on o.oid = c.relnamespace where c.reloptions is not null and c.relkind = 'r' order by 1 $$,
	$$ values ('file_usage', 'fillfactor=30'), ('sandbox_host', 'fillfactor=30'), ('sandbox_job', 'fillfactor=70'),
		('sandbox_session', 'fillfactor=30'), ('session', 'fillfactor=70'), ('workspace', 'fillfactor=30') $$, 'the hot rows have room to be updated in place');
select is_empty($$ select c.oid::regclass from pg_class c where c.relnamespace = 'app'::regnamespace and c.relkind = 'r'
	and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary) $$, 'every table has a primary key');
select is_empty($$ select p.oid::regprocedure from pg_proc p where p.pronamespace = 'api'::regnamespace and p.prorettype = 'api.outcome'::regtype
	and not exists (select from tap.mutation m where m.function = p.proname) $$, 'setup.psql calls every mutation');

select is_empty($$ select a.attname from pg_attribute a where a.attrelid = 'app.file'::regclass and a.attname in ('session_id', 'type', 'name')
	and a.attcollation <> '"C"'::regcollation $$, 'files are in the order of their names'' bytes');
select results_eq($$ select c.conrelid::regclass, c.confrelid::regclass from pg_constraint c where c.contype = 'f'
	and (c.conrelid in ('app.file'::regclass, 'app.file_usage'::regclass, 'app.blob_gone'::regclass) or c.confrelid = 'app.file_usage'::regclass) order by 1 $$,
	$$ values ('app.file_usage'::regclass, 'app.workspace'::regclass), ('app.file', 'app.file_usage') $$, 'files refer to no row that synced changes lock');
select is_empty($$ select p.oid::regprocedure from pg_proc p join pg_language l on l.oid = p.prolang where p.pronamespace = 'api'::regnamespace
	and l.lanname <> 'plpgsql' and p.proname ~ '^files?_' $$, 'functions of files keep their plans');
select is_empty($$ select p.oid::regprocedure from pg_proc p join pg_language l on l.oid = p.prolang where p.pronamespace = 'api'::regnamespace
	and l.lanname <> 'plpgsql' and p.proname ~ '^(sandbox|host|stream)_' $$, 'those of running sandboxes too');
-- A row that is updated at every message must stay in its page.
select is_empty($$ select i.indexrelid::regclass, a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid
	where i.indrelid in ('app.sandbox_session'::regclass, 'app.sandbox_host'::regclass)
	and a.attname in ('seq', 'floor', 'status', 'last_activity_at', 'expires_at', 'idle_seconds', 'seen_at')
	and (a.attnum = any (i.indkey) or pg_get_expr(i.indpred, i.indrelid) ~ ('\m' || a.attname || '\M')) $$, 'no index has what changes often');
select is_empty($$ select p.oid::regprocedure from pg_proc p where p.pronamespace = 'api'::regnamespace and p.provolatile <> 'v'
	and p.prosrc ~* '\m(insert into|update app|delete from|for update|for no key update)\M' $$, 'what reads only reads');

select * from finish();
rollback;
