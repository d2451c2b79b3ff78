-- Sources, statuses, labels, skills and plans.

create or replace view report.sources as
	select w.slug as workspace, s.slug as source, s.config is not null as has_config, s.guide is not null as has_guide,
		s.created_at, s.updated_at, s.config::text as config, s.guide::text as guide
	from app.source s join app.workspace w on w.id = s.workspace_id;
comment on view report.sources is 'The sources (connections to services) of all workspaces.';
comment on column report.sources.workspace is 'The workspace it belongs to.';
comment on column report.sources.source is 'Its name (slug), unique in the workspace.';
comment on column report.sources.has_config is 'False while only a guide was saved.';
comment on column report.sources.has_guide is 'Whether a guide was saved.';
comment on column report.sources.created_at is 'When it was first saved.';
comment on column report.sources.updated_at is 'When it was last saved.';
comment on column report.sources.config is 'The config as JSON text, as the client wrote it.';
comment on column report.sources.guide is 'The guide as a JSON string with its quotes and escapes.';

create or replace view report.statuses as
	select w.slug as workspace, c.updated_at, c.config::text as config
	from app.workspace_config c join app.workspace w on w.id = c.workspace_id where c.kind = 'statuses';
comment on view report.statuses is 'The statuses of the workspaces that saved any.';
comment on column report.statuses.workspace is 'The workspace they belong to.';
comment on column report.statuses.updated_at is 'When they were last saved.';
comment on column report.statuses.config is 'The config as JSON text, as the client wrote it.';

create or replace view report.labels as
	select w.slug as workspace, c.updated_at, c.config::text as config
	from app.workspace_config c join app.workspace w on w.id = c.workspace_id where c.kind = 'labels';
comment on view report.labels is 'The labels of the workspaces that saved any.';
comment on column report.labels.workspace is 'The workspace they belong to.';
comment on column report.labels.updated_at is 'When they were last saved.';
comment on column report.labels.config is 'The config as JSON text, as the client wrote it.';

create or replace view report.skills as
	select w.slug as workspace, s.slug as skill, s.created_at, s.updated_at, octet_length(s.content::text) as content_bytes,
		s.metadata::text as metadata, s.content::text as content
	from app.skill s join app.workspace w on w.id = s.workspace_id;
comment on view report.skills is 'The skills of all workspaces.';
comment on column report.skills.workspace is 'The workspace it belongs to.';
comment on column report.skills.skill is 'Its name (slug), unique in the workspace.';
comment on column report.skills.created_at is 'When it was first saved.';
comment on column report.skills.updated_at is 'When it was last saved.';
comment on column report.skills.content_bytes is 'Bytes of the content as JSON text.';
comment on column report.skills.metadata is 'The metadata as JSON text.';
comment on column report.skills.content is 'The content as a JSON string with its quotes and escapes.';

create or replace view report.plans as
	select w.slug as workspace, p.session_id as session, p.name as plan, p.modified_at, p.modified_seq as changed_by,
		octet_length(p.content::text) as content_bytes, p.content::text as content
	from app.plan p join app.workspace w on w.id = p.workspace_id;
comment on view report.plans is 'The plan files of all sessions.';
comment on column report.plans.workspace is 'The workspace it belongs to.';
comment on column report.plans.session is 'The session it belongs to, which needn''t have been saved.';
comment on column report.plans.plan is 'File name, unique in the session.';
comment on column report.plans.modified_at is 'When it was last saved.';
comment on column report.plans.changed_by is 'Number of the change that saved it last (report.changes.seq).';
comment on column report.plans.content_bytes is 'Bytes of the content as JSON text.';
comment on column report.plans.content is 'The content as a JSON string with its quotes and escapes.';
