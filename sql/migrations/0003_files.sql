-- Files of sessions and assets of workspaces: what they are called and which blob has their bytes.

create table app.file_usage (
	workspace_id bigint primary key references app.workspace (id),
	files        bigint not null default 0,
	bytes        bigint not null default 0,
	changes      bigint not null default 0,
	check (files >= 0 and bytes >= 0)
) with (fillfactor = 30);
comment on table app.file_usage is 'How much the files of a workspace are. Made by the first upload. Its row is the lock that puts the workspace''s file changes in order; it is not that of app.workspace, so that uploads and synced changes don''t wait for each other.';
comment on column app.file_usage.workspace_id is 'The workspace.';
comment on column app.file_usage.files is 'Number of its rows in app.file.';
comment on column app.file_usage.bytes is 'Their bytes: what a quota is compared with.';
comment on column app.file_usage.changes is 'Grows with each change of the workspace''s files: the ETag of lists.';

create table app.file (
	workspace_id bigint not null references app.file_usage (workspace_id),
	session_id   text collate "C" not null,
	type         text collate "C" not null check (type in ('attachments', 'downloads', 'long_responses', 'assets')),
	name         text collate "C" not null,
	blob         uuid not null unique,
	size         bigint not null check (size >= 0),
	mime_type    text not null check (octet_length(mime_type) between 1 and 255),
	sha256       bytea not null check (octet_length(sha256) = 32),
	created_at   timestamptz not null default clock_timestamp(),
	uploaded_at  timestamptz not null default clock_timestamp(),
	primary key (workspace_id, session_id, type, name),
	constraint file_names check (case type
		when 'assets' then session_id = '' and octet_length(name) between 1 and 1024
		else octet_length(session_id) between 1 and 255 and octet_length(name) between 1 and 255 end)
);
comment on table app.file is 'A file of a session, or an asset of a workspace. Replacing it is naming another blob in its row: the blobs themselves, in the directory BLOB_DIR, never change. No foreign key to app.workspace: checking it would wait for synced changes.';
comment on column app.file.workspace_id is 'The workspace it belongs to.';
comment on column app.file.session_id is 'Id of the session, which needn''t have been saved; empty for assets.';
comment on column app.file.type is 'attachments, downloads or long_responses; assets for what belongs to the workspace.';
comment on column app.file.name is 'File name, an asset''s path. As sent: no Unicode normalisation.';
comment on column app.file.blob is 'The bytes are in BLOB_DIR/<first two digits>/<blob>. Also the file''s ETag.';
comment on column app.file.size is 'Number of bytes.';
comment on column app.file.mime_type is 'Content-Type of the upload.';
comment on column app.file.sha256 is 'SHA-256 of the bytes.';
comment on column app.file.created_at is 'When a file of this name was first uploaded.';
comment on column app.file.uploaded_at is 'When these bytes were uploaded.';

create table app.blob_gone (
	blob    uuid primary key,
	size    bigint not null,
	gone_at timestamptz not null default clock_timestamp()
);
create index blob_gone_at on app.blob_gone (gone_at);
comment on table app.blob_gone is 'Blobs that no file names any more. They are removed some minutes later, because a download may be about to begin.';
comment on column app.blob_gone.blob is 'The blob; see app.file.blob.';
comment on column app.blob_gone.size is 'Number of bytes.';
comment on column app.blob_gone.gone_at is 'When its file was replaced or deleted.';
