# Reads the revision files of a package and compares what they bring with the database as it is. Sent to hosts by
# effects.rs, behind the program that reads the operator's alembic.ini and defines kind, name, env and A. Nothing of the
# package runs: files are parsed (`ast`) and followed as far as names can be told.
# Arguments behind the ini and the directory: nonce, question, environment, then revisions (none: all that are applied).
import ast, base64, glob, re, shutil, subprocess

N, Q, VENV = sys.argv[3:6]
WANTED = sys.argv[6:]
sys.excepthook = lambda t, v, b: print(t.__name__ + ": " + " ".join(str(v).split()), file=sys.stderr)
# A loop over more than this is no list that somebody wrote by hand; a call deeper than this is a circle.
LONGEST, DEEPEST = 200, 6
# Sources that are handed out at most, in bytes: some thirty times what the longest hop leaves out, and well below what
# an answer may have.
HANDED_OUT = 512 << 10


def e(key, value):
    print(N, Q, key, " ".join(str(value).split()), sep="\t")


class Unknown:
    """A value that only running the file would tell."""

    def __repr__(self):
        return "?"


UNKNOWN = Unknown()


class Batch:
    def __init__(self, table):
        self.table = table


class Expected:
    """What should be there after the revisions so far, and what should be gone: each with the revision that says so."""

    def __init__(self):
        self.there, self.gone, self.untold = {}, {}, {}
        # Revisions whose things later ones rename or take away, with those: run late, they would bring them back.
        self.overtaken, self.now = {}, None
        # Indexes go with their table and with their columns.
        self.index_on = {}

    def add(self, revision, thing, certain):
        taken = self.gone.pop(thing, None)
        if taken is not None and taken != revision:
            self.overtaken.setdefault(taken, set()).add(revision)
        if not certain:
            self.hint(revision, "under a condition")
        elif thing not in self.there:
            self.there[thing] = revision

    def drop(self, revision, thing, certain):
        self.forget(thing)
        if certain:
            self.gone[thing] = revision

    def forget(self, thing):
        for things in (self.there, self.gone):
            brought = things.pop(thing, None)
            if brought is not None and brought != self.now:
                self.overtaken.setdefault(brought, set()).add(self.now)

    def hint(self, revision, why):
        self.untold.setdefault(revision, set()).add(why)

    def columns_of(self, table):
        return [t for t in self.there if t[0] == "column" and t[1] == table]

    def indexes_of(self, table, column=None):
        found = []
        for index, (on, columns) in list(self.index_on.items()):
            if on == table and (column is None or columns is None or column in columns):
                found.append(index)
        return found

    def drop_table(self, revision, table, certain):
        self.drop(revision, ("table", table), certain)
        for thing in self.columns_of(table) + [t for t in self.gone if t[0] == "column" and t[1] == table]:
            self.forget(thing)
        for index in self.indexes_of(table):
            self.forget(("index", index))
            del self.index_on[index]

    def drop_column(self, revision, table, column, certain):
        self.drop(revision, ("column", table, column), certain)
        for index in self.indexes_of(table, column):
            self.forget(("index", index))
            del self.index_on[index]

    def rename(self, revision, old, new, certain):
        brought = self.there.get(old)
        self.drop(revision, old, certain)
        # What says how it is called now is the rename; where what it was is not known, neither is what it becomes.
        self.forget(new)
        if brought is not None and certain:
            self.there[new] = revision

    def rename_table(self, revision, old, new, certain):
        columns, gone = self.columns_of(old), [t for t in self.gone if t[0] == "column" and t[1] == old]
        kept = {t: self.there[t] for t in columns}
        self.rename(revision, ("table", old), ("table", new), certain)
        for thing in columns + gone:
            self.forget(thing)
        for thing, brought in kept.items():
            if certain:
                self.there[("column", new, thing[2])] = brought
        for index in self.indexes_of(old):
            self.index_on[index] = (new, self.index_on[index][1])

    def rename_column(self, revision, table, old, new, certain):
        self.rename(revision, ("column", table, old), ("column", table, new), certain)
        for index in self.indexes_of(table, old):
            on, columns = self.index_on[index]
            self.index_on[index] = (on, columns and [new if c == old else c for c in columns])

    def forget_table(self, table):
        for thing in list(self.there) + list(self.gone):
            if (
                table is UNKNOWN
                or thing[1] == table
                or (thing[0] == "index" and self.index_on.get(thing[1], (0,))[0] == table)
            ):
                self.forget(thing)

    def forget_indexes(self):
        for thing in list(self.there) + list(self.gone):
            if thing[0] == "index":
                self.forget(thing)

    def forget_type(self, of):
        for thing in list(self.there) + list(self.gone):
            if thing[0] == "label" and (of is UNKNOWN or thing[1] == of):
                self.forget(thing)


def is_text(*values):
    return all(isinstance(v, str) for v in values)


# Stands in SQL for what could not be told; it may be part of an identifier.
GAP = "\u00a7"
# Simple SQL; anything else that would change a table makes what is expected of it unknown.
ID = r'(?:"[^"]+"|[A-Za-z_\u00a7][\w$\u00a7]*)'
PATH = r"(?:%s\s*\.\s*)?(%s)" % (ID, ID)
IF = r"(?:if\s+(?:not\s+)?exists\s+)?"
TABLE = r"alter\s+table\s+" + IF + r"(?:only\s+)?" + PATH
END = r"(?:\s+(?:cascade|restrict))?"
NO_COLUMN = r"(?!(?:constraint|primary|unique|foreign|check|exclude)\b)"
FORMS = [
    (form, re.compile(r"^\s*" + pattern + r"\s*$", re.I | re.S))
    for form, pattern in (
        ("drop-table", r"drop\s+table\s+" + IF + PATH + END),
        ("create-table", r"create\s+table\s+" + IF + PATH + r"\s*\(.*"),
        ("rename-table", TABLE + r"\s+rename\s+to\s+(%s)" % ID),
        ("rename-column", TABLE + r"\s+rename\s+(?:column\s+)?(%s)\s+to\s+(%s)" % (ID, ID)),
        ("drop-column", TABLE + r"\s+drop\s+(?:column\s+)?" + NO_COLUMN + IF + "(%s)" % ID + END),
        ("add-column", TABLE + r"\s+add\s+" + NO_COLUMN + r"(?:column\s+)?" + IF + r"(%s)\s[^;]*" % ID),
        (
            "create-index",
            r"create\s+(?:unique\s+)?index\s+(?:concurrently\s+)?%s(%s)\s+on\s+(?:only\s+)?" % (IF, ID) + PATH + ".*",
        ),
        ("drop-index", r"drop\s+index\s+(?:concurrently\s+)?" + IF + PATH + END),
        ("rename-index", r"alter\s+index\s+" + IF + PATH + r"\s+rename\s+to\s+(%s)" % ID),
        (
            "add-label",
            r"alter\s+type\s+" + PATH + r"\s+add\s+value\s+" + IF + r"'([^']+)'(?:\s+(?:before|after)\s+'[^']*')?",
        ),
        ("rename-label", r"alter\s+type\s+" + PATH + r"\s+rename\s+value\s+'([^']+)'\s+to\s+'([^']+)'"),
        ("rename-type", r"alter\s+type\s+" + PATH + r"\s+rename\s+to\s+(%s)" % ID),
        ("drop-type", r"drop\s+type\s+" + IF + PATH + ".*"),
        ("create-type", r"create\s+type\s+" + PATH + r"\s+as\s+enum.*"),
        # These leave tables and columns as they are called.
        (
            "nothing",
            TABLE
            + r"\s+(?:alter|validate|enable|disable|set|owner|drop\s+constraint"
            + r"|add\s+(?:constraint|primary|unique|foreign|check))\b.*",
        ),
    )
]
CHANGES = re.compile(r"\b(?:create|drop|alter|rename)\b", re.I)


def plain(identifier):
    return identifier[1:-1] if identifier.startswith('"') else identifier.lower()


class Reader:
    """Follows upgrade() of one revision."""

    def __init__(self, expected, revision, tree):
        self.x, self.r, self.depth = expected, revision, 0
        self.scope, self.functions = {}, {}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                self.functions[node.name] = node
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                self.bind(node, self.scope)

    def follow(self):
        if "upgrade" in self.functions:
            self.body(self.functions["upgrade"].body, dict(self.scope), True)

    # ---- values

    def bind(self, node, scope):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        value = self.value(node.value, scope) if node.value is not None else UNKNOWN
        for target in targets:
            self.give(target, value, scope)

    def give(self, target, value, scope):
        if isinstance(target, ast.Name):
            scope[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            fits = isinstance(value, (tuple, list)) and len(value) == len(target.elts)
            for number, one in enumerate(target.elts):
                self.give(one, value[number] if fits else UNKNOWN, scope)

    def value(self, node, scope):
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return scope.get(node.id, UNKNOWN)
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return [self.value(one, scope) for one in node.elts]
        if isinstance(node, ast.Dict):
            if all(isinstance(k, ast.Constant) for k in node.keys):
                return {k.value: self.value(v, scope) for k, v in zip(node.keys, node.values)}
            return UNKNOWN
        if isinstance(node, ast.JoinedStr):
            parts = [self.value(p.value if isinstance(p, ast.FormattedValue) else p, scope) for p in node.values]
            return "".join(map(str, parts)) if all(isinstance(p, (str, int)) for p in parts) else UNKNOWN
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.value(node.left, scope), self.value(node.right, scope)
            return left + right if is_text(left, right) else UNKNOWN
        if isinstance(node, ast.Call):
            return self.value_of_call(node, scope)
        if isinstance(node, ast.Attribute) and node.attr == "name":
            return self.value(node.value, scope) if isinstance(node.value, ast.Call) else UNKNOWN
        return UNKNOWN

    def value_of_call(self, node, scope):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in ("f", "text", "DDL", "str", "quoted_name", "dedent") and node.args:
            return self.value(node.args[0], scope)
        if called == "strip" and isinstance(node.func, ast.Attribute):
            inner = self.value(node.func.value, scope)
            return inner.strip() if is_text(inner) else UNKNOWN
        if called == "format" and isinstance(node.func, ast.Attribute):
            inner, words = self.value(node.func.value, scope), [self.value(a, scope) for a in node.args]
            if is_text(inner) and not node.keywords and all(isinstance(w, (str, int)) for w in words):
                try:
                    return inner.format(*words)
                except (IndexError, KeyError, ValueError):
                    return UNKNOWN
        if called == "batch_alter_table":
            return Batch(self.word(node, scope, 0, "table_name"))
        if called == "items" and isinstance(node.func, ast.Attribute):
            inner = self.value(node.func.value, scope)
            return [list(pair) for pair in inner.items()] if isinstance(inner, dict) else UNKNOWN
        return UNKNOWN

    def word(self, call, scope, position, keyword):
        """An argument that names something; UNKNOWN where it can't be told."""
        for one in call.keywords:
            if one.arg == keyword:
                return self.value(one.value, scope)
        if any(isinstance(one, ast.Starred) for one in call.args[: position + 1]):
            return UNKNOWN
        return self.value(call.args[position], scope) if position < len(call.args) else None

    # ---- statements

    def body(self, statements, scope, certain):
        for statement in statements:
            self.statement(statement, scope, certain)
            if isinstance(statement, ast.Return):
                return
            if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and any(
                isinstance(one, ast.Return) for one in ast.walk(statement)
            ):
                # What follows runs only where it did not return.
                certain = False

    def branch(self, statements, scope):
        """Statements that may not run: what they change of names is not known afterwards."""
        inner = dict(scope)
        self.body(statements, inner, False)
        for bound, value in inner.items():
            if bound not in scope or scope[bound] is not value:
                scope[bound] = UNKNOWN

    def statement(self, node, scope, certain):
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            if node.value is not None:
                self.calls(node.value, scope, certain)
            self.bind(node, scope)
        elif isinstance(node, ast.AugAssign):
            self.calls(node.value, scope, certain)
            self.give(node.target, UNKNOWN, scope)
        elif isinstance(node, ast.If):
            self.calls(node.test, scope, certain)
            self.branch(node.body, scope)
            self.branch(node.orelse, scope)
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            self.loop(node, scope, certain)
        elif isinstance(node, ast.While):
            self.calls(node.test, scope, certain)
            self.branch(node.body, scope)
        elif isinstance(node, ast.Try):
            self.body(node.body, scope, certain and not node.handlers)
            for handler in node.handlers:
                self.branch(handler.body, scope)
            self.branch(node.orelse, scope)
            self.body(node.finalbody, scope, certain)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self.calls(item.context_expr, scope, certain)
                if item.optional_vars is not None:
                    self.give(item.optional_vars, self.value(item.context_expr, scope), scope)
            self.body(node.body, scope, certain)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self.functions[node.name] = node
        elif not isinstance(node, ast.ClassDef):
            self.calls(node, scope, certain)

    def loop(self, node, scope, certain):
        self.calls(node.iter, scope, certain)
        values = self.value(node.iter, scope)
        if isinstance(values, dict):
            values = list(values)
        leaves = any(isinstance(one, (ast.Break, ast.Continue)) for one in ast.walk(node))
        if isinstance(values, list) and len(values) <= LONGEST:
            for value in values:
                self.give(node.target, value, scope)
                self.body(node.body, scope, certain and not leaves)
        else:
            self.give(node.target, UNKNOWN, scope)
            self.branch(node.body, scope)
        self.body(node.orelse, scope, certain and not leaves)

    def calls(self, node, scope, certain):
        """Every call in an expression, what is inside first; a function that is only handed over isn't called."""
        if isinstance(node, (ast.Lambda, ast.ClassDef)):
            return
        for child in ast.iter_child_nodes(node):
            self.calls(child, scope, certain)
        if isinstance(node, ast.Call):
            self.call(node, scope, certain)

    def call(self, node, scope, certain):
        if isinstance(node.func, ast.Name):
            function = self.functions.get(node.func.id)
            if function is not None and self.depth < DEEPEST:
                inner = dict(self.scope)
                for number, parameter in enumerate(function.args.args):
                    given = self.word(node, scope, number, parameter.arg)
                    inner[parameter.arg] = UNKNOWN if given is None else given
                self.depth += 1
                self.body(function.body, inner, certain)
                self.depth -= 1
        elif isinstance(node.func, ast.Attribute):
            base = scope.get(node.func.value.id) if isinstance(node.func.value, ast.Name) else None
            is_op = isinstance(node.func.value, ast.Name) and node.func.value.id == "op"
            if node.func.attr in ("execute", "exec_driver_sql", "scalar"):
                self.sql(node, scope, certain)
            elif isinstance(base, Batch):
                self.operation(node, scope, certain, base.table)
            elif is_op:
                self.operation(node, scope, certain, None)
            elif node.func.attr in ("create_all", "drop_all"):
                self.x.hint(self.r, "made from models")

    # ---- operations

    def operation(self, node, scope, certain, table):
        """One of alembic's; `table` is that of a batch, where the arguments begin one later."""
        shift = 0 if table is None else -1
        word = lambda position, keyword: self.word(node, scope, position + shift, keyword)
        on = lambda position=0, keyword="table_name": (
            self.word(node, scope, position, keyword) if table is None else table
        )
        x, r, what = self.x, self.r, node.func.attr
        if what == "create_table":
            made = self.word(node, scope, 0, "table_name")
            if not is_text(made):
                return x.hint(r, "a name that is computed")
            x.forget_table(made)
            x.add(r, ("table", made), certain)
            for argument in node.args[1:]:
                self.column(argument, scope, made, certain)
        elif what == "drop_table":
            self.named(lambda t: x.drop_table(r, t, certain), self.word(node, scope, 0, "table_name"))
        elif what == "rename_table":
            old, new = self.word(node, scope, 0, "old_table_name"), self.word(node, scope, 1, "new_table_name")
            self.named(lambda a, b: x.rename_table(r, a, b, certain), old, new)
        elif what == "add_column":
            given = 1 + shift
            nodes = [k.value for k in node.keywords if k.arg == "column"] or node.args[given : given + 1]
            if not is_text(on()) or not nodes:
                return x.hint(r, "a name that is computed")
            self.column(nodes[0], scope, on(), certain)
        elif what == "drop_column":
            self.named(lambda t, c: x.drop_column(r, t, c, certain), on(), word(1, "column_name"))
        elif what == "alter_column":
            new = next(
                (self.value(k.value, scope) for k in node.keywords if k.arg in ("new_column_name", "name")), None
            )
            if new is not None:
                self.named(lambda t, c, n: x.rename_column(r, t, c, n, certain), on(), word(1, "column_name"), new)
        elif what == "create_index":
            index, of = self.word(node, scope, 0, "index_name"), on(1)
            columns = self.word(node, scope, 2 + shift, "columns")
            if not is_text(index, of):
                return x.hint(r, "an index without a name of its own")
            x.add(r, ("index", index), certain)
            x.index_on[index] = (of, columns if isinstance(columns, list) and is_text(*columns) else None)
        elif what == "drop_index":
            index = self.word(node, scope, 0, "index_name")
            self.named(lambda i: (x.drop(r, ("index", i), certain), x.index_on.pop(i, None)), index)

    def column(self, node, scope, table, certain):
        if isinstance(node, ast.Starred):
            return self.x.hint(self.r, "a name that is computed")
        if not isinstance(node, ast.Call):
            return
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if not called.endswith("Column"):
            return
        column = self.word(node, scope, 0, "name")
        if column is None and called == "IDColumn":
            column = "id"
        if is_text(column):
            self.x.add(self.r, ("column", table, column), certain)
        else:
            self.x.hint(self.r, "a name that is computed")

    def named(self, act, *names):
        """Acts where all names are known; else nothing that may be meant is expected any more."""
        if is_text(*names):
            act(*names)
        else:
            self.x.hint(self.r, "a name that is computed")
            self.x.forget_table(names[0] if is_text(names[0]) else UNKNOWN)

    # ---- SQL

    def sql(self, node, scope, certain):
        if not node.args:
            return
        text = self.with_gaps(node.args[0], scope)
        if not is_text(text):
            return
        text = re.sub(r"--[^\n]*|/\*.*?\*/", " ", text, flags=re.S)
        if "$$" in text:
            return self.x.hint(self.r, "a block of SQL")
        for statement in text.split(";"):
            if statement.strip():
                self.one_statement(statement, certain)

    def with_gaps(self, node, scope):
        """SQL as far as it can be told; what is put into it may not be."""
        text = self.value(node, scope)
        if is_text(text):
            return text
        if isinstance(node, ast.JoinedStr):
            parts = [self.value(p.value if isinstance(p, ast.FormattedValue) else p, scope) for p in node.values]
            return "".join(str(p) if isinstance(p, (str, int)) else GAP for p in parts)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            inner = self.value(node.func.value, scope)
            return re.sub(r"\{[^{}]*\}", GAP, inner) if is_text(inner) else UNKNOWN
        if isinstance(node, ast.Call) and node.args:
            return self.with_gaps(node.args[0], scope)
        return UNKNOWN

    def one_statement(self, statement, certain):
        for form, pattern in FORMS:
            found = pattern.match(statement)
            if found:
                words = [g if "label" in form and n else plain(g) for n, g in enumerate(found.groups())]
                if form != "nothing" and any(GAP in word for word in words):
                    return self.not_told(form, words)
                return self.form(form, words, certain, statement)
        first = statement.split(None, 1)[0].lower()
        if first in ("create", "drop", "alter") and CHANGES.search(statement):
            self.x.hint(self.r, "SQL that is not understood")
            named = re.match(r"^\s*(?:drop|alter)\s+(table|type)\s+" + IF + PATH, statement, re.I)
            if named:
                self.not_told("drop-" + named[1].lower(), [plain(named[2])])

    def not_told(self, form, words):
        """A change of something whose name can't be told: whatever it may be isn't expected any more."""
        self.x.hint(self.r, "SQL that is computed")
        of = UNKNOWN if GAP in words[0] else words[0]
        if "type" in form or "label" in form:
            self.x.forget_type(of)
        elif "index" in form:
            self.x.forget_indexes()
        elif form not in ("create-table", "add-column"):
            self.x.forget_table(of)

    def form(self, form, words, certain, statement):
        x, r = self.x, self.r
        if form == "drop-table":
            x.drop_table(r, words[0], certain)
        elif form == "create-table":
            x.forget_table(words[0])
            x.add(r, ("table", words[0]), certain)
        elif form == "rename-table":
            x.rename_table(r, words[0], words[1], certain)
        elif form == "rename-column":
            x.rename_column(r, words[0], words[1], words[2], certain)
        elif form == "drop-column":
            x.drop_column(r, words[0], words[1], certain)
        elif form == "add-column":
            # Behind a comma may stand a drop.
            if CHANGES.search(statement.split(None, 3)[-1]):
                x.hint(r, "SQL that is not understood")
                x.forget_table(words[0])
            x.add(r, ("column", words[0], words[1]), certain)
        elif form == "create-index":
            x.add(r, ("index", words[0]), certain)
            x.index_on[words[0]] = (words[1], None)
        elif form == "drop-index":
            x.drop(r, ("index", words[0]), certain)
            x.index_on.pop(words[0], None)
        elif form == "rename-index":
            x.rename(r, ("index", words[0]), ("index", words[1]), certain)
            if words[0] in x.index_on:
                x.index_on[words[1]] = x.index_on.pop(words[0])
        elif form == "add-label":
            x.add(r, ("label", words[0], words[1]), certain)
        elif form == "rename-label":
            x.rename(r, ("label", words[0], words[1]), ("label", words[0], words[2]), certain)
        elif form in ("drop-type", "create-type"):
            x.forget_type(words[0])
        elif form == "rename-type":
            x.forget_type(words[0])
            x.forget_type(words[1])
        elif form == "nothing" and re.search(
            r"[,\s](?:drop\s+(?:column\s+)?(?!constraint|default|not|identity|expression)\w|rename\s)", statement, re.I
        ):
            x.hint(r, "SQL that is not understood")
            x.forget_table(words[0])


def revisions():
    location = A["script_location"]
    if "version_locations" in A:
        raise OSError("version_locations is not supported")
    place = location
    if ":" in location:
        module, _, path = location.partition(":")
        found = glob.glob(glob.escape(VENV) + "/lib/python3*/site-packages/" + module.replace(".", "/"))
        place = (found or ["?"])[0] + "/" + path
    if not os.path.isdir(place):
        raise OSError("no migrations at " + place)
    trees, downs, heads, files = {}, {}, {}, {}
    for file in sorted(glob.glob(glob.escape(place) + "/versions/*.py")):
        with open(file, encoding="utf8") as source:
            try:
                tree = ast.parse(source.read())
            except (SyntaxError, ValueError) as why:
                raise OSError("%s can't be parsed: %s" % (os.path.basename(file), why))
        said = {}
        for node in tree.body:
            targets = (
                node.targets
                if isinstance(node, ast.Assign)
                else [node.target] if isinstance(node, ast.AnnAssign) else []
            )
            for target in targets:
                if (
                    isinstance(target, ast.Name)
                    and target.id in ("revision", "down_revision", "depends_on")
                    and node.value is not None
                ):
                    try:
                        said[target.id] = ast.literal_eval(node.value)
                    except ValueError:
                        raise OSError("%s of %s is computed" % (target.id, os.path.basename(file)))
        if not isinstance(said.get("revision"), str):
            continue
        one = said["revision"]
        if one in trees:
            raise OSError("revision %s occurs twice" % one)
        trees[one], files[one] = tree, file
        before = [said.get("down_revision"), said.get("depends_on")]
        downs[one] = [d for b in before if b for d in ([b] if isinstance(b, str) else b)]
        heads[one] = ((ast.get_docstring(tree) or "").splitlines() or [""])[0]
    return trees, downs, heads, files


def in_order(downs, tops):
    """Every revision after those that it follows; a stack of its own, because chains are longer than Python's."""
    done, order, open_ = set(), [], [(top, False) for top in sorted(tops, reverse=True)]
    while open_:
        one, ready = open_.pop()
        if ready:
            order.append(one)
        elif one not in done:
            if one not in downs:
                raise OSError("the package does not know the revision " + one)
            done.add(one)
            open_.append((one, True))
            open_.extend((before, False) for before in reversed(downs[one]))
    return order


CATALOGUE = """
with mine as (select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'),
relations as (select c.oid, c.relname from pg_class c join mine m on m.oid = c.relnamespace
  where c.relkind in ('r','p','f','v','m'))
select 'table', relname, '' from relations
union all select 'column', r.relname, a.attname from relations r join pg_attribute a on a.attrelid = r.oid
  and a.attnum > 0 and not a.attisdropped
union all select 'index', i.relname, '' from pg_class i join mine m on m.oid = i.relnamespace
  where i.relkind in ('i','I')
union all select 'label', t.typname, l.enumlabel from pg_type t join mine m on m.oid = t.typnamespace
  join pg_enum l on l.enumtypid = t.oid
union all select 'row', version_num, '' from alembic_version
"""


def catalogue():
    if kind == "sqlite":
        import sqlite3

        mode = "rw" if os.path.exists(name + "-journal") else "ro"
        database = sqlite3.connect("file:" + name + "?mode=" + mode, uri=True, timeout=5)
        for of, found in database.execute("select type, name from sqlite_master").fetchall():
            if of in ("table", "view"):
                yield "table", found, ""
                for row in database.execute('pragma table_info("%s")' % found.replace('"', '""')).fetchall():
                    yield "column", found, row[1]
            elif of == "index":
                yield "index", found, ""
        for (row,) in database.execute("select version_num from alembic_version").fetchall():
            yield "row", row, ""
    elif kind == "postgresql":
        if not shutil.which("psql"):
            raise OSError("the host has no psql")
        done = subprocess.run(
            ["psql", "-XAtqw", "-F", "\t", "-c", CATALOGUE],
            env={**os.environ, **env, "PGOPTIONS": "-c statement_timeout=10000"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if done.returncode:
            raise OSError(done.stderr.decode("utf8", "replace"))
        for line in done.stdout.decode("utf8", "replace").splitlines():
            yield tuple(line.split("\t"))
    else:
        raise OSError("databases of kind " + kind + " are not supported")


def handed_out(one, file, most):
    """The text of a revision that may have to run late: what it may do then is read from it elsewhere."""
    with open(file, "rb") as source:
        text = source.read(most + 1)
    if len(text) > most:
        return 0
    e("source", "%s %s" % (one, base64.b64encode(text).decode()))
    return len(text)


def main():
    seen = set(catalogue())
    rows = {thing[1] for thing in seen if thing[0] == "row"}
    if not rows:
        raise OSError("alembic_version holds no revision")
    types = {thing[1] for thing in seen if thing[0] == "label"}
    trees, downs, heads, files = revisions()
    expected = Expected()
    order = in_order(downs, rows | set(WANTED))
    for one in order:
        expected.now = one
        Reader(expected, one, trees[one]).follow()
    asked = set(WANTED) or set(order)
    counts = {}
    for present, things in ((True, expected.there), (False, expected.gone)):
        for thing, brought in sorted(things.items()):
            of, first = thing[0], thing[1]
            if brought not in asked:
                continue
            if of == "label" and (first not in types or kind == "sqlite"):
                # The type goes by another name here: models and migrations don't agree on those.
                expected.hint(brought, "a type that goes by another name")
                continue
            if present and of == "column" and ("table", first) in expected.there and ("table", first, "") not in seen:
                # Said once, by the table.
                if expected.there[("table", first)] == brought:
                    continue
            there = (of, first, thing[2] if len(thing) > 2 else "") in seen
            count = counts.setdefault(brought, [0, 0])
            count[0] += 1
            if there != present:
                count[1] += 1
                e("missing" if present else "left", "%s %s %s" % (brought, of, ".".join(thing[1:])))
    left = HANDED_OUT
    for one in order:
        if one in asked:
            if counts.get(one, (0, 0))[1] and not WANTED:
                left -= handed_out(one, files[one], left)
            if counts.get(one, (0, 0))[1] and one in expected.overtaken:
                e("overtaken", "%s %s" % (one, " ".join(sorted(expected.overtaken[one]))))
            if one in counts:
                e("revision", "%s %d %d %s" % (one, counts[one][0], counts[one][1], heads[one]))
            if one in expected.untold or one not in counts:
                why = (
                    ", ".join(sorted(expected.untold.get(one, ())))
                    or "nothing whose name can be told, or all of it replaced since"
                )
                e("untold", "%s %s" % (one, why))
    e("compared", kind)


main()
