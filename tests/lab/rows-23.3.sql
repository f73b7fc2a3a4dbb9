-- A cluster that has been used, at 23.03.12: the way through three trains has rows to work on. What later releases add
-- to these tables, their migrations fill in.
insert into domains (name, is_active, total_resource_slots, allowed_vfolder_hosts, allowed_docker_registries, dotfiles)
  values ('default', true, '{}', '{}', '{}', '\x90');
insert into user_resource_policies (name, max_vfolder_size) values ('default', 1000);
insert into project_resource_policies (name, max_vfolder_size) values ('default', 2000);
insert into keypair_resource_policies (name, default_for_unspecified, total_resource_slots, max_concurrent_sessions,
    max_containers_per_session, max_vfolder_count, max_vfolder_size, idle_timeout, allowed_vfolder_hosts)
  values ('default', 'UNLIMITED', '{}', 5, 1, 10, 0, 3600, '{}');
insert into groups (id, name, is_active, domain_name, total_resource_slots, allowed_vfolder_hosts, dotfiles, resource_policy)
  select ('11111111-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, case when n = 1 then 'default' else 'project' || n end,
    n % 5 <> 0, 'default', '{}', '{}', '\x90', 'default'
  from generate_series(1, 20) n;
insert into users (uuid, username, email, need_password_change, status, domain_name, role, resource_policy, password)
  select ('22222222-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'user' || n, 'user' || n || '@lab', n % 7 = 0,
    case when n % 11 = 0 then 'inactive' else 'active' end::userstatus, 'default',
    case when n = 1 then 'superadmin' else 'user' end::userrole, 'default', 'x'
  from generate_series(1, 200) n;
insert into keypairs (user_id, access_key, secret_key, is_active, is_admin, rate_limit, num_queries, "user", resource_policy,
    dotfiles, bootstrap_script, created_at)
  select u.email, 'AKLAB' || k || lpad(substr(u.username, 5), 14, '0'), 'secret', k = 1, u.role = 'superadmin', 100, 0, u.uuid,
    'default', '\x90', '', timestamptz '2023-01-01' + k * interval '1 hour'
  from users u cross join generate_series(1, 2) k;
insert into association_groups_users (user_id, group_id)
  select u.uuid, g.id from users u join groups g on g.name = 'project' || (substr(u.username, 5)::int % 19 + 2);
insert into scaling_groups (name, is_active, driver, driver_opts, scheduler, use_host_network, scheduler_opts)
  values ('default', true, 'static', '{}', 'fifo', false, '{"roundrobin": true}'),
         ('gpu', true, 'static', '{}', 'lifo', false, '{"allowed_session_types": ["interactive", "batch"]}');
insert into sgroups_for_domains (scaling_group, domain) values ('default', 'default'), ('gpu', 'default');
insert into agents (id, status, status_changed, region, scaling_group, schedulable, available_slots, occupied_slots, addr,
    first_contact, lost_at, version, architecture, compute_plugins)
  select 'i-agent' || n, 'TERMINATED', now(), 'local', 'default', false, '{"cpu": "16", "mem": "68719476736"}',
    '{"cpu": "0", "mem": "0"}', 'tcp://10.0.0.' || n || ':6001', timestamptz '2023-06-01', now(), '23.03.12', 'x86_64', '{}'
  from generate_series(1, 8) n;
insert into vfolders (id, host, quota_scope_id, name, usage_mode, permission, ownership_type, "user", "group", cloneable, status,
    creator, created_at)
  select ('33333333-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'local:volume1', 'user:' || u.uuid, 'folder' || n,
    'general', 'rw', 'user', u.uuid, null, n % 3 = 0,
    (array['ready', 'ready', 'performing', 'cloning', 'deleting', 'mounted'])[n % 6 + 1]::vfolderoperationstatus, u.email,
    timestamptz '2023-02-01' + n * interval '1 hour'
  from generate_series(1, 300) n join users u on u.username = 'user' || (n % 200 + 1);
insert into sessions (id, name, session_type, cluster_size, agent_ids, scaling_group_name, domain_name, group_id, user_uuid,
    access_key, images, occupying_slots, requested_slots, use_host_network, created_at, terminated_at, status, status_history,
    result)
  select ('66666666-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'session' || n,
    (array['INTERACTIVE', 'BATCH'])[n % 2 + 1]::sessiontypes, 1 + n % 2, array['i-agent' || n % 8 + 1], 'default', 'default',
    '11111111-0000-0000-0000-000000000001', u.uuid, k.access_key, array['cr.lab/stable/python:3.10-ubuntu20.04'],
    '{"cpu": "1"}', '{"cpu": "1"}', false, timestamptz '2023-03-01' + n * interval '1 minute',
    timestamptz '2023-03-01' + n * interval '2 minutes',
    (array['TERMINATED', 'TERMINATED', 'CANCELLED', 'ERROR'])[n % 4 + 1]::sessionstatus,
    '{"PENDING": "2023-03-01T00:00:00+00:00", "TERMINATED": "2023-03-01T01:00:00+00:00"}', 'SUCCESS'
  from generate_series(1, 1500) n
  join users u on u.username = 'user' || (n % 200 + 1) join keypairs k on k."user" = u.uuid and k.is_active;
insert into kernels (session_id, session_name, session_type, cluster_size, cluster_role, cluster_idx, local_rank,
    cluster_hostname, scaling_group, agent, agent_addr, domain_name, group_id, user_uuid, access_key, image, architecture,
    registry, occupied_slots, requested_slots, occupied_shares, repl_in_port, repl_out_port, stdin_port, stdout_port,
    use_host_network, created_at, terminated_at, status, status_history, result)
  select s.id, s.name, s.session_type, s.cluster_size, case when k = 1 then 'main' else 'sub' end, k, k - 1,
    case when k = 1 then 'main1' else 'sub1' end, s.scaling_group_name, s.agent_ids[1], 'tcp://10.0.0.1:6001', s.domain_name,
    s.group_id, s.user_uuid, s.access_key, s.images[1], 'x86_64', 'cr.lab', '{"cpu": "1"}', '{"cpu": "1"}', '{}', 0, 0, 0, 0,
    false, s.created_at, s.terminated_at, s.status::text::kernelstatus, s.status_history, s.result
  from sessions s cross join generate_series(1, 2) k where k <= s.cluster_size;
