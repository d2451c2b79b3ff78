-- Files and assets: what the database knows of them. Their bytes are in the directory BLOB_DIR.

create or replace view report.files as
	select w.slug as workspace, nullif(f.session_id, '') as session, f.type, f.name, f.size, f.mime_type, encode(f.sha256, 'hex') as sha256,
		f.blob::text as blob_id, f.created_at, f.uploaded_at
	from app.file f join app.workspace w on w.id = f.workspace_id;
comment on view report.files is 'The files of all sessions, and the assets of all workspaces.';
comment on column report.files.workspace is 'The workspace it belongs to.';
comment on column report.files.session is 'The session it belongs to, which needn''t have been saved; null for assets.';
comment on column report.files.type is 'attachments, downloads, long_responses, or assets for what belongs to the workspace.';
comment on column report.files.name is 'File name; an asset''s path.';
comment on column report.files.size is 'Number of bytes.';
comment on column report.files.mime_type is 'Content-Type of the upload.';
comment on column report.files.sha256 is 'SHA-256 of the bytes, in hex, as sha256sum prints it.';
comment on column report.files.blob_id is 'The bytes are in BLOB_DIR/<first two digits>/<blob_id>.';
comment on column report.files.created_at is 'When a file of this name was first uploaded.';
comment on column report.files.uploaded_at is 'When these bytes were uploaded.';

create or replace view report.deleted_blobs as
	select g.blob::text as blob_id, g.size, g.gone_at as deleted_at from app.blob_gone g;
comment on view report.deleted_blobs is 'Blobs whose file was deleted or replaced, until their bytes are removed.';
comment on column report.deleted_blobs.blob_id is 'The bytes are in BLOB_DIR/<first two digits>/<blob_id>, or were.';
comment on column report.deleted_blobs.size is 'Number of bytes.';
comment on column report.deleted_blobs.deleted_at is 'When the file was deleted or replaced.';
