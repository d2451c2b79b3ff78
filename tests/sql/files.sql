-- Files: what an upload, a replacement and a deletion leave behind, preconditions and quotas, lists in pages, and which blobs may go.
begin;
select plan(108);

-- The blob called n, and an upload of it.
create function tap.blob(p_n text) returns uuid language sql immutable as $$ select md5(p_n)::uuid $$;
create function tap.put(p_name text, p_n text, p_size bigint, p_if_match text[] default null, p_if_none_match text[] default null, p_quota bigint default 0,
	p_workspace text default 'w', p_session text default 's', p_type text default 'attachments') returns text language sql as $$
	select status from api.file_put(p_workspace, p_session, p_type, p_name, tap.blob(p_n), p_size, 'text/' || p_n, sha256(convert_to(p_n, 'UTF8')),
		p_if_match, p_if_none_match, p_quota)
$$;
-- Everything there is of files, to see that nothing changed.
create function tap.state() returns text language sql as $$
	select md5(concat((select string_agg(w.slug || ' ' || w.seq, ',' order by w.id) from app.workspace w),
		(select string_agg(u::text, ',' order by u.workspace_id) from app.file_usage u),
		(select string_agg(f::text, ',' order by f.blob) from app.file f),
		(select string_agg(g::text, ',' order by g.blob) from app.blob_gone g),
		(select count(*) from app.change_log)))
$$;
create function tap.usage(p_workspace text, out files bigint, out bytes bigint, out changes bigint) language sql as $$
	select u.files, u.bytes, u.changes from app.file_usage u join app.workspace w on w.id = u.workspace_id where w.slug = p_workspace
$$;

-- Where nothing is.
select is_empty($$ select * from api.file_find('none', 's', 'attachments', 'f') $$, 'no file, no row');
select results_eq($$ select tag = api.epoch() || '-f0', body::text, name from api.files('none', 's', 'attachments', null, null) $$,
	'values (true, null::text, null::text)', 'a list of nothing is an ETag alone');
select is(api.files_room('none'), 0::bigint, 'and takes no room');
select is(api.file_delete('none', 's', 'attachments', 'f', null), 'missing', 'deleting nothing');
select is(api.file_delete('none', 's', 'attachments', 'f', '{*}'), 'failed', 'and with If-Match');
select is(api.files_delete_session('none', 's'), 0::bigint, 'and a session of nothing');
select is(tap.put('f', 'first', 10, p_if_match => '{*}'), 'failed', 'an upload that is to replace something');
select is(tap.put('f', 'first', 10, p_quota => 9), 'quota', 'an upload bigger than the quota');
select throws_ok($$ select tap.put('f', 'first', 10, p_type => 'Attachments') $$, '23514', null, 'an upload of an unknown type');
select is((select count(*) from app.workspace) + (select count(*) from app.file_usage) + (select count(*) from app.file), 0::bigint, 'none of these made anything');

-- An upload.
select results_eq($$ select status, abs(uploaded_ms - extract(epoch from clock_timestamp()) * 1000) < 60000
	from api.file_put('w', 's', 'attachments', 'f', tap.blob('first'), 10, 'text/first', sha256('first'), null, null, 0) $$, $$ values ('ok', true) $$, 'an upload');
select results_eq($$ select blob, size, mime_type from api.file_find('w', 's', 'attachments', 'f') $$,
	$$ values (tap.blob('first')::text, 10::bigint, 'text/first') $$, 'is found');
select is((select uploaded_ms from api.file_find('w', 's', 'attachments', 'f')), (select (floor(extract(epoch from uploaded_at) * 1000))::bigint from app.file),
	'with its time in milliseconds');
select is(tap.usage('w')::text, '(1,10,1)', 'and counted');
select is(api.files_room('w'), 10::bigint, 'as the room that it takes');
select is(api.files_room('w', 's', 'attachments', 'f'), 0::bigint, 'which is free for what replaces it');
select is(api.files_room('w', 's', 'attachments', 'g'), 10::bigint, 'and not for another file');
select is(tap.seq('w'), 0::bigint, 'it is no synced change');
select is_empty($$ select * from api.file_find('w', 's', 'downloads', 'f') union all select * from api.file_find('w', 't', 'attachments', 'f')
	union all select * from api.file_find('v', 's', 'attachments', 'f') union all select * from api.file_find('w', 's', 'attachments', 'F') $$,
	'another type, session, workspace or name is another file');

-- Replacing it.
update app.file set created_at = created_at - interval '1 day', uploaded_at = uploaded_at - interval '1 hour';
select created_at as created, uploaded_at as uploaded from app.file \gset
select is(tap.put('f', 'second', 7), 'ok', 'a replacement');
select results_eq($$ select blob, size, mime_type, sha256 from app.file $$, $$ values (tap.blob('second'), 7::bigint, 'text/second', sha256('second')) $$,
	'has everything of the new bytes');
select is((select created_at from app.file), :'created'::timestamptz, 'the time of the first upload stays');
select cmp_ok((select uploaded_at from app.file), '>', :'uploaded'::timestamptz, 'that of the last doesn''t');
select results_eq($$ select blob, size from app.blob_gone $$, $$ values (tap.blob('first'), 10::bigint) $$, 'the old blob is gone');
select is(tap.usage('w')::text, '(1,7,2)', 'and no longer counted');

-- The same again, by one who lost the answer.
select tap.state() as state, uploaded_ms as uploaded from api.file_find('w', 's', 'attachments', 'f') \gset
select results_eq($$ select * from api.file_put('w', 's', 'attachments', 'f', tap.blob('second'), 7, 'text/second', sha256('second'), null, '{*}', 1) $$,
	format('values (%L, %s::bigint)', 'ok', :uploaded), 'the same upload again has the same answer');
select is(tap.put('f', 'first', 10), 'ok', 'and so has one that was replaced since');
select is(tap.state(), :'state', 'they change nothing');

-- Preconditions.
create temp table precondition (name text, if_match text[], if_none_match text[], want text, what text);
insert into precondition values
	('f', '{*}', null, 'ok', 'If-Match: * and a file'),
	('f', array['x', tap.blob('second')::text], null, 'ok', 'If-Match with its tag among others'),
	('f', array[tap.blob('first')::text], null, 'failed', 'If-Match with an older tag'),
	('f', '{}', null, 'failed', 'If-Match with no tag'),
	('f', '{null}', null, 'failed', 'If-Match with a null'),
	('f', null, '{*}', 'failed', 'If-None-Match: * and a file'),
	('f', null, array[tap.blob('second')::text], 'failed', 'If-None-Match with its tag'),
	('f', null, array[tap.blob('first')::text], 'ok', 'If-None-Match with an older tag'),
	('f', '{*}', '{*}', 'failed', 'both, one of them met'),
	('none', '{*}', null, 'failed', 'If-Match: * and no file'),
	('none', array[tap.blob('second')::text], null, 'failed', 'If-Match with a tag and no file'),
	('none', null, '{*}', 'ok', 'If-None-Match: * and no file');
do $$
declare
	v_p record;
	v_state text := tap.state();
begin
	alter table precondition add got text, add changed boolean;
	for v_p in select * from precondition loop
		begin
			v_p.got := tap.put(v_p.name, 'try', 1, v_p.if_match, v_p.if_none_match);
			v_p.changed := tap.state() <> v_state;
			raise exception 'undo' using errcode = 'CA999';
		exception when sqlstate 'CA999' then
		end;
		update precondition set got = v_p.got, changed = v_p.changed where what = v_p.what;
	end loop;
end
$$;
select is(got || case when changed then ', changed' else '' end, want || case want when 'ok' then ', changed' else '' end, what) from precondition;

-- Quotas, of the bytes that the workspace's files are afterwards.
select is(tap.put('g', 'third', 93, p_quota => 99), 'quota', 'a byte more than the quota');
select is(tap.put('g', 'third', 93, p_quota => 100), 'ok', 'all of the quota');
select is(tap.put('empty', 'empty', 0, p_quota => 100), 'ok', 'an empty file always finds room');
select is(tap.put('g', 'fourth', 94, p_quota => 100), 'quota', 'a replacement that is too big');
select is(tap.put('f', 'fifth', 7, p_quota => 100), 'ok', 'a replacement needs no room beside the old bytes');
select is(tap.put('a.png', 'asset', 1, p_quota => 100, p_session => '', p_type => 'assets'), 'quota', 'assets count as well');
select is(tap.put('x', 'other', 100, p_quota => 100, p_workspace => 'v'), 'ok', 'other workspaces don''t');
select is(tap.put('g', 'fourth', 1000, p_quota => 0), 'ok', 'no quota');
select is(tap.put('g', 'sixth', 1001, p_if_match => '{x}', p_quota => 1), 'failed', 'preconditions come first');
select is(tap.usage('w')::text, '(3,1007,6)', 'what was refused isn''t counted');

-- Deleting.
select is(api.file_delete('w', 's', 'attachments', 'g', array[tap.blob('third')::text]), 'failed', 'deleting with an older tag');
select is(tap.usage('w')::text, '(3,1007,6)', 'deletes nothing');
select is(api.file_delete('w', 's', 'attachments', 'g', array[tap.blob('fourth')::text]), 'ok', 'with its own tag');
select is(api.file_delete('w', 's', 'attachments', 'f', null), 'ok', 'and without any');
select is(api.file_delete('w', 's', 'attachments', 'f', null), 'missing', 'once');
select is(api.file_delete('w', 's', 'attachments', 'f', '{*}'), 'failed', 'with If-Match it has to be there');
select results_eq('select name from app.file order by 1', $$ values ('empty' collate "C"), ('x') $$, 'the others stay');
select is(tap.usage('w')::text, '(1,0,8)', 'and are all that is counted');
select set_eq('select blob, size from app.blob_gone', $$ select tap.blob(n), s from (values ('first', 10::bigint), ('second', 7), ('third', 93), ('fourth', 1000), ('fifth', 7)) v (n, s) $$,
	'every blob that was replaced or deleted is gone');
select is(tap.put('f', 'seventh', 3), 'ok', 'a deleted file can be uploaded again');

-- A session, 10,000 files.
select api.files_room('v') as room \gset
select clock_timestamp() as making \gset
select count(*) as made from generate_series(1, 10000) i, tap.put('n' || i, 'v' || i, i, p_workspace => 'v', p_session => 'big',
	p_type => (array['attachments', 'downloads', 'long_responses'])[1 + i % 3]) \gset
select clock_timestamp() - :'making'::timestamptz as making \gset
select is(tap.put('icons/a.png', 'asset of v', 5, p_workspace => 'v', p_session => '', p_type => 'assets'), 'ok', 'an asset');
select is(tap.usage('v')::text, '(10002,50005105,10002)', '10,000 files of a session, one of another, an asset');
select clock_timestamp() as started \gset
select is(api.files_delete_session('v', 'big'), 10000::bigint, 'deleting a session deletes every type');
select cmp_ok(clock_timestamp() - :'started'::timestamptz, '<', :'making'::interval, 'in one transaction, shorter than it took to make them');
select set_eq($$ select f.session_id, f.type, f.name from app.file f join app.workspace w on w.id = f.workspace_id where w.slug = 'v' $$,
	$$ values ('s', 'attachments', 'x'), ('', 'assets', 'icons/a.png') $$, 'but no other session and no asset');
select is(tap.usage('v')::text, '(2,105,10003)', 'it is one change');
select is((select count(*) from app.blob_gone g join generate_series(1, 10000) i on g.blob = tap.blob('v' || i) and g.size = i), 10000::bigint, 'all the blobs are gone');
select is(api.files_delete_session('v', 'big'), 0::bigint, 'again there is nothing');
select is(api.files_delete_session('v', ''), 0::bigint, 'assets are no session');
select is(tap.usage('v')::text, '(2,105,10003)', 'which is no change');

-- Lists: by the bytes of the names, without normalisation, in pages.
create temp table named (name text);
insert into named values ('b'), ('B'), ('a'), ('a b#?%&+é😀.png'), (U&'\00e9'), (U&'e\0301'), ('Z'), ('_'), ('.x'), (' '), ('"\'), ('😀'), ('～');
select is((select count(*) from named n, tap.put(n.name, 'list' || n.name, 1, p_session => 'list') p where p = 'ok'), 13::bigint, 'files of all kinds of names');
select is(tap.put('zzz', 'of another type', 1, p_session => 'list', p_type => 'downloads'), 'ok', 'and one of another type');
select is((select array_agg(name collate "C") from api.files('w', 'list', 'attachments', null, null) where body is not null),
	(select array_agg(name collate "C" order by convert_to(name, 'UTF8')) from named), 'a list has all of its type, by the bytes of the names');
select is((select array_agg(body ->> 'name') from api.files('w', 'list', 'attachments', null, null) where body is not null),
	(select array_agg(name order by convert_to(name, 'UTF8')) from named), 'and so have the bodies');
select is((select array_agg(body is null) from api.files('w', 'list', 'attachments', null, 1)), '{t,f}', 'the ETag comes first, and is not of the limit');
update app.file set uploaded_at = '2024-05-06 07:08:09.1239+00' where session_id = 'list' and name = 'a';
select is((select body::text from api.files('w', 'list', 'attachments', 'Z', null) where name = 'a'),
	'{"name" : "a", "size" : 1, "mimeType" : "text/lista", "uploadedAt" : 1714979289123}', 'a file as clients see it');
create function tap.pages(p_limit bigint) returns text[] language plpgsql as $$
declare
	v_all  text[] := '{}';
	v_page text[];
begin
	loop
		select array_agg(name) into v_page from api.files('w', 'list', 'attachments', v_all[cardinality(v_all)], p_limit) where body is not null;
		exit when v_page is null;
		if cardinality(v_page) > p_limit or v_page <@ v_all then
			raise exception 'after % the page %', v_all, v_page;
		end if;
		v_all := v_all || v_page;
	end loop;
	return v_all;
end
$$;
select is((select array_agg(distinct tap.pages(n)) from generate_series(1, 14) n), (select array[array_agg(name order by convert_to(name, 'UTF8'))] from named),
	'pages of any size are the whole list');
select is((select count(*) from api.files('w', 'list', 'attachments', '～～', null)), 2::bigint, 'a cursor needn''t be a name that is there');
select is((select array_agg(name) from api.files('v', '', 'assets', null, null) where body is not null), '{icons/a.png}', 'assets are a list as well');

-- A page reads its own rows, wherever it lies in a long list.
select count(*) as made from generate_series(10001, 15000) i, tap.put('n' || i, 'w' || i, i, p_session => 'long') \gset
create function tap.rows_read() returns bigint language sql as $$
	select sum(t.seq_tup_read + t.idx_tup_fetch)::bigint from pg_stat_xact_user_tables t where t.relid = 'app.file'::regclass
$$;
select tap.rows_read() as before \gset
select is((select array_agg(name) from api.files('w', 'long', 'attachments', 'n14000', 3) where body is not null), '{n14001,n14002,n14003}', 'a page of a long list');
select cmp_ok(tap.rows_read() - :before, '<=', 4::bigint, 'reads little more than itself');

-- ETags of lists.
create temp table tag (ord integer generated always as identity, what text, tag text, other text);
create function tap.tag(p_what text) returns void language sql as $$
	insert into tag (what, tag, other) select p_what, (select tag from api.files('w', 's', 'attachments', null, 0)), (select tag from api.files('v', 's', 'attachments', null, 0))
$$;
do $$
begin
	perform tap.tag('before');
	perform tap.put('tagged', 'one', 1), tap.tag('a new file');
	perform tap.put('tagged', 'two', 1), tap.tag('a replacement');
	perform api.file_delete('w', 's', 'attachments', 'tagged', null), tap.tag('a deletion');
	perform api.files_delete_session('w', 'long'), tap.tag('a deleted session');
end
$$;
select is((select count(distinct tag) from tag), 5::bigint, 'every change of files changes the ETag of lists');
select is((select count(distinct other) from tag), 1::bigint, 'but not in another workspace');
select is((select bool_and(tag ~ ('^' || api.epoch() || '-f\d+$')) from tag), true, 'it is of this life of the database');
do $$
begin
	perform tap.put('tagged', 'three', 1, p_if_match => '{*}'), api.file_delete('w', 's', 'attachments', 'tagged', null), api.files_delete_session('w', 'none');
	perform api.labels_save('w', '{}'), tap.tag('nothing');
end
$$;
select is((select count(distinct tag) from tag), 5::bigint, 'what changes no file keeps it');

-- Blobs that may go.
update app.blob_gone set gone_at = clock_timestamp() - interval '1 minute';
update app.blob_gone set gone_at = clock_timestamp() - case blob when tap.blob('first') then interval '3 hours' else interval '2 hours' end
	where blob in (tap.blob('first'), tap.blob('second'));
select results_eq('select * from api.blobs_gone(3600, 10)', 'values (tap.blob(''first'')), (tap.blob(''second''))', 'those that are gone for long, first gone first');
select results_eq('select * from api.blobs_gone(3600, 1)', 'values (tap.blob(''first''))', 'not more than asked for');
select is((select count(*) from api.blobs_gone(0, null)), (select count(*) from app.blob_gone), 'or all');
select is(api.file_delete('w', 's', 'attachments', 'f', null), 'ok', 'one more deleted');
select is((select max(age) < interval '1 minute' from (select clock_timestamp() - gone_at as age from app.blob_gone where blob = tap.blob('seventh')) x), true, 'is gone since now');
insert into app.blob_gone (blob, size, gone_at) values (tap.blob('empty'), 0, '2000-01-01');
select results_eq('select * from api.blobs_gone(3600, 1)', 'values (tap.blob(''first''))', 'never one that a file names');
delete from app.blob_gone where blob = tap.blob('empty');
select results_eq($$ select * from api.blobs_known(array[tap.blob('unknown'), tap.blob('empty'), tap.blob('first'), null]) $$,
	$$ values (tap.blob('empty')), (tap.blob('first')) $$, 'blobs of files and those that are gone are known');
select is(api.blobs_forget(array[tap.blob('first'), tap.blob('unknown'), tap.blob('empty')]), 1::bigint, 'one is forgotten');
select results_eq($$ select * from api.blobs_known(array[tap.blob('empty'), tap.blob('first')]) $$, 'values (tap.blob(''empty''))', 'and unknown then; a file''s blob is not');
select is((select count(*) from api.blobs_known('{}')) + api.blobs_forget('{}'), 0::bigint, 'none of none');

-- All blobs of files, in steps.
create function tap.walk(p_limit integer) returns uuid[] language plpgsql as $$
declare
	v_all  uuid[] := '{}';
	v_page uuid[];
begin
	loop
		select array_agg(blob) into v_page from api.blobs(v_all[cardinality(v_all)], p_limit);
		exit when v_page is null;
		if v_page <@ v_all then
			raise exception 'after % came %', v_all, v_page;
		end if;
		v_all := v_all || v_page;
	end loop;
	return v_all;
end
$$;
select is(tap.walk(4), (select array_agg(blob order by blob) from app.file), 'a walk meets every blob of a file once');
select results_eq('select * from api.blobs(null, 4)', $$ select f.blob, f.size, f.sha256, w.slug, f.session_id collate "default", f.type collate "default", f.name collate "default"
	from app.file f join app.workspace w on w.id = f.workspace_id order by f.blob limit 4 $$, 'with what it is to be');

-- What people see.
select results_eq($$ select session collate "default", type collate "default", name collate "default", size, mime_type, sha256, blob_id, created_at <= uploaded_at
	from report.files where workspace = 'v' order by size $$,
	$$ values (null::text, 'assets', 'icons/a.png', 5::bigint, 'text/asset of v', encode(sha256('asset of v'), 'hex'), tap.blob('asset of v')::text, true),
		('s', 'attachments', 'x', 100, 'text/other', encode(sha256('other'), 'hex'), tap.blob('other')::text, true) $$, 'report.files');
select results_eq($$ select blob_id, size, deleted_at < now() from report.deleted_blobs where blob_id = tap.blob('second')::text $$,
	$$ values (tap.blob('second')::text, 7::bigint, true) $$, 'report.deleted_blobs');
select api.labels_save('without files', '{}') as saved \gset
select results_eq($$ select workspace, files, file_bytes from report.workspaces order by 1 $$,
	$$ values ('v', 2::bigint, 105::bigint), ('w', 15, 14), ('without files', 0, 0) $$, 'report.workspaces counts files');
select results_eq('select files, file_bytes, deleted_blobs from api.admin_contents()',
	$$ select 17::bigint, 119::bigint, count(*) from app.blob_gone $$, 'and so does craft-cloud status');
select results_eq('select u.workspace_id, u.files, u.bytes from app.file_usage u order by 1',
	'select f.workspace_id, count(*), sum(f.size)::bigint from app.file f group by 1 order by 1', 'all is counted right in the end');

-- As many files as a quota allows.
select is((select string_agg(distinct tap.put('n' || n, 'many' || n, 0, p_quota => 1, p_workspace => 'many'), ',') from generate_series(1, 1000) n), 'ok',
	'1,000 files of however small a quota');
select is(tap.put('more', 'blob of more', 0, p_quota => 1, p_workspace => 'many'), 'files', 'not one more');
select is(tap.put('n1', 'replaced', 0, p_quota => 1, p_workspace => 'many'), 'ok', 'a replacement is none more');
select is(tap.put('more', 'blob of more', 0, p_quota => 1001 * 4096, p_workspace => 'many'), 'ok', 'a larger quota allows one for each 4,096 bytes');
select is(tap.put('yet more', 'blob of yet more', 0, p_quota => 1001 * 4096, p_workspace => 'many'), 'files', 'and no more');
select is(tap.put('yet more', 'blob of yet more', 0, p_workspace => 'many'), 'ok', 'no quota, no bound');

select * from finish();
rollback;
