"""Says what Ansible makes of inventories. Cases come as a JSON list on standard input; answers go the same way.

A case has `inventories` and `playbook_directory` (paths, or lists of hosts), `patterns`, and perhaps `commands`
(arguments of ansible-inventory, whose output is told). An answer has `hosts` (variables by host), `order`, `groups`
(the hosts of each), and for each pattern its `hosts`, or `error`. `ordered` is false where Ansible's order of hosts
depends on addresses in memory: it goes over sets of groups below the first level.
"""

import contextlib
import io
import json
import re
import sys

from ansible import constants, context
from ansible.cli import CLI
from ansible.cli.inventory import InventoryCLI
from ansible.inventory.manager import InventoryManager, split_host_pattern
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.utils.context_objects import CLIArgs
from ansible.utils.display import Display
from ansible.vars.manager import VariableManager

warnings = []
Display.warning = lambda self, msg=None, *_, **__: warnings.append(str(msg))
Display.error_as_warning = lambda self, msg=None, exception=None, *_, **__: warnings.append(f"{msg}: {exception}")
Display.deprecated = lambda self, *_, **__: None
# Passwords are set up once a process, and there are none.
CLI.setup_vault_secrets = staticmethod(lambda *_, **__: [])
# So are arguments, unless each command gets its own.
context._init_global_context = lambda options: setattr(context, "CLIARGS", CLIArgs.from_options(options))


def is_ordered(group):
    level = group.child_groups
    while level:
        parents = [child for child in level if child.child_groups]
        if len(parents) > 1:
            return False
        level = parents[0].child_groups if parents else []
    return True


def of_pattern(manager, pattern):
    try:
        hosts = [host.name for host in manager.get_hosts(pattern)]
    except Exception as error:
        return {"error": str(error)}
    groups = []
    for part in split_host_pattern(pattern):
        name = re.sub(r"(?<=.)\[-?[0-9]*:?[0-9]*\]$", "", part.lstrip("&!"))
        groups += manager._match_list(manager.groups, name) or ([] if name in manager.hosts else ["all"])
    return {"hosts": hosts, "ordered": all(is_ordered(manager.groups[name]) for name in groups)}


def answer(case):
    warnings.clear()
    context.CLIARGS = ImmutableDict(basedir=case["playbook_directory"])
    loader = DataLoader()
    loader.set_basedir(case["playbook_directory"])
    manager = InventoryManager(loader=loader, sources=case["inventories"])
    variables = VariableManager(loader=loader, inventory=manager)
    hosts = {}
    for name, host in manager.hosts.items():
        all_of_it = variables.get_vars(host=host, include_hostvars=False, stage="all")
        hosts[name] = {key: value for key, value in all_of_it.items() if key not in constants.INTERNAL_STATIC_VARS}
        for key in ("inventory_file", "inventory_dir", "inventory_hostname_short", "group_names"):
            hosts[name]["magic_" + key] = all_of_it.get(key)
    return {
        "hosts": hosts,
        "order": [host.name for host in manager.get_hosts("all")],
        "ordered": is_ordered(manager.groups["all"]),
        "groups": {name: [host.name for host in group.get_hosts()] for name, group in manager.groups.items()},
        "patterns": [of_pattern(manager, pattern) for pattern in case["patterns"]],
        "commands": [command(case, arguments) for arguments in case.get("commands", [])],
        "warnings": list(warnings),
    }


def command(case, arguments):
    sources = [word for name in case["inventories"] for word in ("-i", name)]
    words = ["ansible-inventory", *sources, "--playbook-dir", case["playbook_directory"], *arguments]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            program = InventoryCLI(words)
            program.parse()
            program.run()
        except SystemExit:
            pass
    return printed.getvalue()


json.dump([answer(case) for case in json.load(sys.stdin)], sys.stdout, default=str)
