-- A cluster that has been used, at 23.09.10 and on top of rows.sql: people, folders, images, model services, and work
-- of the past, all of it ended. Enough that each data migration of the next trains has rows in several states.
insert into users (uuid, username, email, need_password_change, status, domain_name, role, resource_policy,
    sudo_session_enabled, password)
  select ('22222222-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid, 'user' || n, 'user' || n || '@lab', n % 7 = 0,
    case when n % 11 = 0 then 'inactive' else 'active' end::userstatus, 'default', 'user', 'default', false, 'x'
  from generate_series(1, 200) n;
insert into keypairs (user_id, access_key, secret_key, is_active, is_admin, rate_limit, num_queries, "user", resource_policy,
    dotfiles, bootstrap_script, created_at)
  select 'user' || n || '@lab', 'AKLAB' || k || lpad(n::text, 14, '0'), 'secret', n % 13 <> 0, false, 100, n,
    ('22222222-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid, 'default', '\x90', '',
    timestamptz '2023-01-01' + n * interval '1 day' + k * interval '1 hour'
  from generate_series(1, 200) n, generate_series(1, 2) k;
-- Everybody's first key is the main one; some have none yet.
update users set main_access_key = k.access_key from keypairs k
  where k."user" = users.uuid and k.access_key like 'AKLAB1%' and users.need_password_change is false;
update user_resource_policies set max_session_count_per_model_session = 7 where name = 'default';
insert into groups (id, name, is_active, domain_name, total_resource_slots, allowed_vfolder_hosts, dotfiles, resource_policy)
  select ('11111111-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid, 'project' || n, n % 5 <> 0, 'default', '{}',
    '{"local:volume1": ["create-vfolder", "mount-in-session"]}', '\x90', 'default'
  from generate_series(1, 20) n;
insert into association_groups_users (user_id, group_id)
  select u.uuid, g.id from users u cross join groups g
  where u.username ~ '^user[0-9]+$' and g.name ~ '^project[0-9]+$'
    and substr(u.username, 5)::int % 20 = substr(g.name, 8)::int % 20;
insert into scaling_groups (name, is_active, driver, driver_opts, scheduler, use_host_network, scheduler_opts)
  values ('gpu', true, 'static', '{}', 'lifo', false, '{"allowed_session_types": ["interactive", "batch", "inference"]}');
insert into sgroups_for_domains (scaling_group, domain) values ('gpu', 'default');
insert into agents (id, status, status_changed, region, scaling_group, schedulable, available_slots, occupied_slots, addr,
    first_contact, lost_at, version, architecture, compute_plugins)
  select 'i-agent' || n, 'TERMINATED', now(), 'local', case when n % 2 = 0 then 'gpu' else 'default' end, false,
    '{"cpu": "16", "mem": "68719476736"}', '{"cpu": "0", "mem": "0"}', 'tcp://10.0.0.' || n || ':6001',
    timestamptz '2023-06-01', now(), '23.09.10', 'x86_64', '{}'
  from generate_series(1, 8) n;
insert into images (id, name, image, tag, registry, architecture, config_digest, size_bytes, is_local, type, labels, resources)
  select ('44444444-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'cr.lab/stable/python:3.' || n || '-ubuntu20.04',
    'stable/python', '3.' || n || '-ubuntu20.04', 'cr.lab', 'x86_64', 'sha256:' || md5(n::text) || md5('x' || n), n * 1000000,
    false, 'COMPUTE', '{"ai.backend.kernelspec": "1", "ai.backend.role": "COMPUTE"}', '{"cpu": {"min": "1", "max": null}}'
  from generate_series(1, 12) n;
insert into vfolders (id, host, quota_scope_id, name, usage_mode, permission, ownership_type, "user", "group", cloneable, status,
    creator, created_at)
  select ('33333333-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'local:volume1', 'user:' || u.uuid, 'folder' || n,
    case when n % 4 = 0 then 'model' else 'general' end::vfolderusagemode, 'rw', 'user', u.uuid, null, n % 3 = 0,
    (array['ready', 'ready', 'performing', 'cloning', 'deleting', 'mounted'])[n % 6 + 1]::vfolderoperationstatus, u.email,
    timestamptz '2023-02-01' + n * interval '1 hour'
  from generate_series(1, 300) n join users u on u.username = 'user' || (n % 200 + 1);
insert into vfolders (id, host, quota_scope_id, name, usage_mode, permission, ownership_type, "user", "group", cloneable, creator)
  select ('33333333-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid, 'local:volume1', 'project:' || g.id, 'shared' || n, 'data',
    'ro', 'group', null, g.id, false, 'admin@lab'
  from generate_series(1, 20) n join groups g on g.name = 'project' || n;
insert into vfolder_permissions (permission, vfolder, "user")
  select 'ro', ('33333333-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, '22222222-0000-0000-0000-000000000002'
  from generate_series(1, 40) n;
insert into vfolder_invitations (permission, inviter, invitee, state, vfolder)
  select 'rw', 'user' || n % 200 + 1 || '@lab', 'user@lab',
    (array['pending', 'canceled', 'accepted', 'rejected'])[n % 4 + 1]::vfolderinvitationstate,
    ('33333333-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid
  from generate_series(1, 40) n;
insert into endpoints (id, name, created_user, session_owner, image, model, domain, project, resource_group, lifecycle_stage,
    resource_slots, url, destroyed_at)
  select ('55555555-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'service' || n, u.uuid, u.uuid,
    '44444444-0000-0000-0000-000000000001', ('33333333-0000-0000-0000-' || lpad((n * 4)::text, 12, '0'))::uuid, 'default',
    '11111111-0000-0000-0000-000000000001', 'default', 'destroyed', '{"cpu": "1"}', 'http://apps.lab/' || n, now()
  from generate_series(1, 10) n join users u on u.username = 'user' || n;
insert into sessions (id, name, session_type, cluster_size, agent_ids, scaling_group_name, domain_name, group_id, user_uuid,
    access_key, images, occupying_slots, requested_slots, use_host_network, created_at, terminated_at, status, status_history,
    result)
  select ('66666666-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'session' || n,
    (array['INTERACTIVE', 'BATCH', 'INFERENCE'])[n % 3 + 1]::sessiontypes, 1 + n % 2, array['i-agent' || n % 8 + 1], 'default',
    'default', '11111111-0000-0000-0000-000000000001', u.uuid, u.main_access_key,
    array['cr.lab/stable/python:3.' || n % 12 + 1 || '-ubuntu20.04'], '{"cpu": "1"}', '{"cpu": "1"}', false,
    timestamptz '2023-03-01' + n * interval '1 minute', timestamptz '2023-03-01' + n * interval '2 minutes',
    (array['TERMINATED', 'TERMINATED', 'CANCELLED', 'ERROR'])[n % 4 + 1]::sessionstatus,
    '{"PENDING": "2023-03-01T00:00:00+00:00", "TERMINATED": "2023-03-01T01:00:00+00:00"}', 'SUCCESS'
  from generate_series(1, 1500) n join users u on u.username = 'user' || (n % 200 + 1);
insert into kernels (session_id, session_name, session_type, cluster_size, cluster_role, cluster_idx, local_rank,
    cluster_hostname, scaling_group, agent, agent_addr, domain_name, group_id, user_uuid, access_key, image, architecture,
    registry, occupied_slots, requested_slots, occupied_shares, repl_in_port, repl_out_port, stdin_port, stdout_port,
    use_host_network, created_at, terminated_at, status, status_history, result)
  select s.id, s.name, s.session_type, s.cluster_size, case when k = 1 then 'main' else 'sub' end, k, k - 1,
    case when k = 1 then 'main1' else 'sub1' end, s.scaling_group_name, s.agent_ids[1], 'tcp://10.0.0.1:6001', s.domain_name,
    s.group_id, s.user_uuid, s.access_key, s.images[1], 'x86_64', 'cr.lab', '{"cpu": "1"}', '{"cpu": "1"}', '{}', 0, 0, 0, 0,
    false, s.created_at, s.terminated_at, s.status::text::kernelstatus, s.status_history, s.result
  from sessions s cross join generate_series(1, 2) k where k <= s.cluster_size;
insert into resource_presets (name, resource_slots) values ('small', '{"cpu": "1"}'), ('large', '{"cpu": "8"}');
insert into error_logs (severity, source, "user", is_read, is_cleared, message, context_lang, context_env, traceback)
  select 'error', 'manager', u.uuid, false, false, 'once', 'python', '{}', '' from users u where u.username ~ '^user[1-9]$';
