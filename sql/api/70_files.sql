-- Files and assets: which blob has a file's bytes, and what becomes of blobs that no file names any more.
-- Every change first takes the lock of the workspace's row in app.file_usage. So the changes of one workspace's files
-- happen one after the other, preconditions, quota and counts are exact, and nobody deadlocks.
-- Nothing here is a synced change: no number, no log, no broadcast.

create or replace function app.files_lock(p_workspace text) returns app.file_usage language plpgsql set search_path = app, pg_temp as $$
declare
	v_usage app.file_usage;
begin
	select u.* into v_usage from app.workspace w join app.file_usage u on u.workspace_id = w.id where w.slug = p_workspace for no key update of u;
	return v_usage;
end
$$;
comment on function app.files_lock(text) is 'First step of a change of files: takes the lock of the workspace''s files. All null when the workspace never had any.';

create or replace function app.files_begin(p_workspace text) returns app.file_usage language plpgsql set search_path = app, pg_temp as $$
begin
	perform app.workspace_make(p_workspace);
	insert into app.file_usage (workspace_id) select w.id from app.workspace w where w.slug = p_workspace on conflict (workspace_id) do nothing;
	return app.files_lock(p_workspace);
end
$$;
comment on function app.files_begin(text) is 'As app.files_lock(), for the first file of a workspace: makes the rows that are missing.';

create or replace function app.files_end(p_usage app.file_usage, p_files bigint, p_bytes bigint) returns void language plpgsql set search_path = app, pg_temp as $$
begin
	update app.file_usage u set files = u.files + p_files, bytes = u.bytes + p_bytes, changes = u.changes + 1 where u.workspace_id = p_usage.workspace_id;
end
$$;
comment on function app.files_end(app.file_usage, bigint, bigint) is 'Last step of a change of files: counts what came or (negative) went.';

-- The next two without a search_path of their own, so that they are inlined where they are called.
create or replace function app.tag_matches(p_tags text[], p_blob uuid) returns boolean language sql immutable as $$
	select p_blob is not null and ('*' = any (p_tags) or p_blob::text = any (p_tags)) is true;
$$;
comment on function app.tag_matches(text[], uuid) is 'Does the file that has this blob (null: there is none) match one of these entity tags? * matches any file.';

create or replace function app.put_verdict(p_old uuid, p_if_match text[], p_if_none_match text[], p_bytes bigint, p_quota bigint)
returns text language sql immutable as $$
	select case
		when p_if_match is not null and not app.tag_matches(p_if_match, p_old) then 'failed'
		when p_if_none_match is not null and app.tag_matches(p_if_none_match, p_old) then 'failed'
		when p_quota > 0 and p_bytes > p_quota then 'quota'
		else 'ok'
	end;
$$;
comment on function app.put_verdict(uuid, text[], text[], bigint, bigint) is 'May the file that has blob p_old (null: there is none) be replaced, when the workspace''s files are p_bytes afterwards? ok, failed or quota.';

create or replace function app.quota_files(p_quota bigint) returns bigint language sql immutable as $$
	select case when p_quota > 0 then greatest(p_quota / 4096, 1000) end;
$$;
comment on function app.quota_files(bigint) is 'How many files a workspace may have whose quota is so many bytes: one for each 4,096 bytes, as a small file takes that much of the disk, and at least 1,000. Null: no bound.';

create or replace function app.file_check(p_session text, p_type text, p_name text, p_mime_type text) returns void
language plpgsql immutable as $$
begin
	-- As the server takes names: no request could reach another one.
	if (p_session || p_name) ~ '[\x01-\x1f\x7f]' or p_session in ('.', '..') or p_session ~ '/' or (p_name <> '' and p_name ~ '(^|/)(\.\.?)?(/|$)')
		or (p_type <> 'assets' and p_name ~ '/') then
		raise exception 'a file has a name that can''t be' using errcode = '22023';
	end if;
	-- It becomes a header.
	if p_mime_type ~ '[\x01-\x1f\x7f]' then
		raise exception 'a file has a media type that can''t be: it holds a control character' using errcode = '22023';
	end if;
end
$$;
comment on function app.file_check(text, text, text, text) is 'Refuses names that no request can name, and media types that can''t be sent in a header, whoever makes the file.';

create or replace function api.file_put(p_workspace text, p_session text, p_type text, p_name text, p_blob uuid, p_size bigint, p_mime_type text,
	p_sha256 bytea, p_if_match text[] default null, p_if_none_match text[] default null, p_quota bigint default 0,
	out status text, out uploaded_ms bigint)
returns record language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_usage app.file_usage;
	v_old   app.file;
	v_at    timestamptz;
begin
	perform app.file_check(p_session, p_type, p_name, p_mime_type);
	v_usage := app.files_lock(p_workspace);
	if v_usage.workspace_id is null then
		-- What is refused makes no workspace.
		status := app.put_verdict(null, p_if_match, p_if_none_match, p_size, p_quota);
		if status <> 'ok' then
			return;
		end if;
		v_usage := app.files_begin(p_workspace);
	end if;
	v_at := clock_timestamp();
	select f.* into v_old from app.file f
		where f.workspace_id = v_usage.workspace_id and f.session_id = p_session and f.type = p_type and f.name = p_name;
	if v_old.blob = p_blob or exists (select from app.blob_gone g where g.blob = p_blob) then
		-- Asked again by one who lost the answer. What was applied isn't applied again, replaced or deleted since or not:
		-- a blob that is gone would be removed under its new file.
		status := 'ok';
		uploaded_ms := app.ms(case when v_old.blob = p_blob then v_old.uploaded_at else v_at end);
		return;
	end if;
	status := app.put_verdict(v_old.blob, p_if_match, p_if_none_match, v_usage.bytes - coalesce(v_old.size, 0) + p_size, p_quota);
	if status = 'ok' and v_old.blob is null and v_usage.files >= app.quota_files(p_quota) then
		status := 'files';
	end if;
	if status <> 'ok' then
		return;
	end if;
	if v_old.blob is null then
		insert into app.file (workspace_id, session_id, type, name, blob, size, mime_type, sha256, created_at, uploaded_at)
			values (v_usage.workspace_id, p_session, p_type, p_name, p_blob, p_size, p_mime_type, p_sha256, v_at, v_at);
	else
		update app.file f set blob = p_blob, size = p_size, mime_type = p_mime_type, sha256 = p_sha256, uploaded_at = v_at
			where f.workspace_id = v_old.workspace_id and f.session_id = v_old.session_id and f.type = v_old.type and f.name = v_old.name;
		insert into app.blob_gone (blob, size) values (v_old.blob, v_old.size);
	end if;
	perform app.files_end(v_usage, case when v_old.blob is null then 1 else 0 end, p_size - coalesce(v_old.size, 0));
	uploaded_ms := app.ms(v_at);
end
$$;
comment on function api.file_put(text, text, text, text, uuid, bigint, text, bytea, text[], text[], bigint) is
'Makes a file (p_session empty and p_type assets: an asset) or replaces it, when its bytes are the blob p_blob already. p_if_match and p_if_none_match are entity tags, that is blob ids, or *; null: not asked. p_quota bounds the bytes of the workspace''s files afterwards, and their number (app.quota_files()); 0: no bound. Status ok, or nothing changed: failed (a precondition), quota, files (too many). Asked again with the same blob it changes nothing. uploaded_ms is the time of the upload in milliseconds since 1970.';

create or replace function api.file_find(p_workspace text, p_session text, p_type text, p_name text)
returns table (blob text, size bigint, mime_type text, uploaded_ms bigint)
language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select f.blob::text, f.size, f.mime_type, app.ms(f.uploaded_at) from app.file f join app.workspace w on w.id = f.workspace_id
		where w.slug = p_workspace and f.session_id = p_session and f.type = p_type and f.name = p_name;
end
$$;
comment on function api.file_find(text, text, text, text) is 'Blob, size, MIME type and time of a file; no row when it isn''t there.';

create or replace function api.file_delete(p_workspace text, p_session text, p_type text, p_name text, p_if_match text[] default null, out status text)
returns text language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_usage app.file_usage;
	v_old   app.file;
begin
	v_usage := app.files_lock(p_workspace);
	select f.* into v_old from app.file f
		where f.workspace_id = v_usage.workspace_id and f.session_id = p_session and f.type = p_type and f.name = p_name;
	if p_if_match is not null and not app.tag_matches(p_if_match, v_old.blob) then
		status := 'failed';
	elsif v_old.blob is null then
		status := 'missing';
	else
		delete from app.file f
			where f.workspace_id = v_old.workspace_id and f.session_id = v_old.session_id and f.type = v_old.type and f.name = v_old.name;
		insert into app.blob_gone (blob, size) values (v_old.blob, v_old.size);
		perform app.files_end(v_usage, -1, -v_old.size);
		status := 'ok';
	end if;
end
$$;
comment on function api.file_delete(text, text, text, text, text[]) is 'Deletes a file: ok; or changes nothing: missing (it isn''t there), failed (p_if_match was given and names another blob, or there is no file).';

create or replace function api.files_delete_session(p_workspace text, p_session text, out deleted bigint)
returns bigint language plpgsql volatile security definer set search_path = app, pg_temp as $$
declare
	v_usage app.file_usage;
	v_bytes bigint;
begin
	v_usage := app.files_lock(p_workspace);
	with gone as (
		delete from app.file f where f.workspace_id = v_usage.workspace_id and f.session_id = p_session and f.type <> 'assets'
		returning f.blob, f.size
	), kept as (
		insert into app.blob_gone (blob, size) select g.blob, g.size from gone g
	)
	select count(*), coalesce(sum(g.size), 0) into deleted, v_bytes from gone g;
	if deleted > 0 then
		perform app.files_end(v_usage, -deleted, -v_bytes);
	end if;
end
$$;
comment on function api.files_delete_session(text, text) is 'Deletes all files of a session, of every type; returns how many there were.';

create or replace function api.files(p_workspace text, p_session text, p_type text, p_after text default null, p_limit bigint default null)
returns table (tag text, body json, name text) language plpgsql stable security definer set search_path = app, pg_temp as $$
#variable_conflict use_column
begin
	return query select app.epoch_text() || '-f' || coalesce((
		select u.changes from app.file_usage u join app.workspace w on w.id = u.workspace_id where w.slug = p_workspace), 0), null::json, null::text;
	-- No name is empty.
	return query select null::text, json_build_object('name', f.name, 'size', f.size, 'mimeType', f.mime_type, 'uploadedAt', app.ms(f.uploaded_at)), f.name
		from app.file f where f.workspace_id = (select w.id from app.workspace w where w.slug = p_workspace)
			and f.session_id = p_session and f.type = p_type and f.name > coalesce(p_after, '')
		order by f.name limit p_limit;
end
$$;
comment on function api.files(text, text, text, text, bigint) is
'Files of a session of one type (session empty and type assets: the assets), by the bytes of their names, after the name p_after (null: from the first), at most p_limit (null: all). The first row has the ETag''s text alone: it changes with every change of the workspace''s files.';

create or replace function api.files_room(p_workspace text, p_session text default null, p_type text default null, p_name text default null)
returns bigint language plpgsql stable security definer set search_path = app, pg_temp as $$
begin
	return coalesce((select u.bytes - coalesce(f.size, 0) from app.workspace w join app.file_usage u on u.workspace_id = w.id
		left join app.file f on f.workspace_id = w.id and f.session_id = p_session and f.type = p_type and f.name = p_name
		where w.slug = p_workspace), 0);
end
$$;
comment on function api.files_room(text, text, text, text) is 'Bytes of the workspace''s files, without those of the one that is named: what is taken already when it is replaced.';

-- Housekeeping of the blobs' directory.

create or replace function api.blobs_gone(p_seconds bigint, p_limit integer)
returns setof uuid language sql stable security definer set search_path = app, pg_temp as $$
	select g.blob from app.blob_gone g
	where g.gone_at < clock_timestamp() - make_interval(secs => p_seconds)
		-- Can't be; but bytes that a file names must never be removed.
		and not exists (select from app.file f where f.blob = g.blob)
	order by g.gone_at limit p_limit;
$$;
comment on function api.blobs_gone(bigint, integer) is 'Blobs that no file has named for more than p_seconds, those that went first first: their bytes may be removed, then api.blobs_forget() is called.';

create or replace function api.blobs_forget(p_blobs uuid[]) returns bigint language sql volatile security definer set search_path = app, pg_temp as $$
	with gone as (
		-- In one order, so that two who clean up don't deadlock.
		select g.blob from app.blob_gone g where g.blob = any (p_blobs) order by g.blob for update
	), forgotten as (
		delete from app.blob_gone g using gone where g.blob = gone.blob returning 1
	)
	select count(*) from forgotten;
$$;
comment on function api.blobs_forget(uuid[]) is 'Forgets blobs that no file names any more, after their bytes were removed; returns how many were known.';

create or replace function api.blobs_known(p_blobs uuid[]) returns setof uuid language sql stable security definer set search_path = app, pg_temp as $$
	select b.blob from unnest(p_blobs) as b (blob)
	where exists (select from app.file f where f.blob = b.blob) or exists (select from app.blob_gone g where g.blob = b.blob);
$$;
comment on function api.blobs_known(uuid[]) is 'Those of the blobs that a file names or lately named. The others are orphans: unless they are being published just now, their bytes may be removed.';

create or replace function api.blobs(p_after uuid, p_limit integer)
returns table (blob uuid, size bigint, sha256 bytea, workspace text, session text, type text, name text)
language sql stable security definer set search_path = app, pg_temp as $$
	select f.blob, f.size, f.sha256, w.slug, f.session_id, f.type, f.name
	from app.file f join app.workspace w on w.id = f.workspace_id
	-- No random UUID is all zeros.
	where f.blob > coalesce(p_after, '00000000-0000-0000-0000-000000000000') order by f.blob limit p_limit;
$$;
comment on function api.blobs(uuid, integer) is 'Blobs that files name, in the order of their ids, after p_after (null: from the first), at most p_limit, with what they are to be. The session is empty for assets.';
