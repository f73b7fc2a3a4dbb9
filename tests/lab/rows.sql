-- The least that a cluster at 23.09.8 holds, so that its migrations have rows to work on: a domain, its policies,
-- a group, two users with a key each, a resource group.
insert into domains (name, is_active, total_resource_slots, allowed_vfolder_hosts, allowed_docker_registries, dotfiles)
  values ('default', true, '{}', '{}', '{}', '\x90');
insert into user_resource_policies (name, max_vfolder_size) values ('default', 1000);
insert into project_resource_policies (name, max_vfolder_size) values ('default', 2000);
insert into keypair_resource_policies (name, default_for_unspecified, total_resource_slots, max_concurrent_sessions,
    max_containers_per_session, max_vfolder_count, max_vfolder_size, idle_timeout, allowed_vfolder_hosts)
  values ('default', 'UNLIMITED', '{}', 5, 1, 10, 0, 3600, '{}');
insert into groups (id, name, is_active, domain_name, total_resource_slots, allowed_vfolder_hosts, dotfiles, resource_policy)
  values ('11111111-0000-0000-0000-000000000001', 'default', true, 'default', '{}', '{}', '\x90', 'default');
insert into users (uuid, username, email, need_password_change, status, domain_name, role, resource_policy, sudo_session_enabled, password)
  values ('22222222-0000-0000-0000-000000000001', 'user', 'user@lab', false, 'active', 'default', 'user', 'default', false, 'x'),
         ('22222222-0000-0000-0000-000000000002', 'admin', 'admin@lab', false, 'active', 'default', 'superadmin', 'default', false, 'x');
insert into keypairs (user_id, access_key, secret_key, is_active, is_admin, rate_limit, num_queries, "user", resource_policy, dotfiles, bootstrap_script)
  values ('user@lab', 'AKLABUSER00000000001', 'secret', true, false, 100, 0, '22222222-0000-0000-0000-000000000001', 'default', '\x90', ''),
         ('admin@lab', 'AKLABADMIN0000000001', 'secret', true, true, 100, 0, '22222222-0000-0000-0000-000000000002', 'default', '\x90', '');
insert into association_groups_users (user_id, group_id)
  values ('22222222-0000-0000-0000-000000000001', '11111111-0000-0000-0000-000000000001');
insert into scaling_groups (name, is_active, driver, driver_opts, scheduler, use_host_network, scheduler_opts)
  values ('default', true, 'static', '{}', 'fifo', false, '{"roundrobin": true}');
insert into sgroups_for_domains (scaling_group, domain) values ('default', 'default');
