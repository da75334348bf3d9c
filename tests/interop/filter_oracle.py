"""filter_oracle: random filters, and what they mean by an evaluator that shares nothing with the engine.

A filter is made as a tree of tuples, so that its meaning is known before it is a text:

    ("and" | "or", [tree, ...])         ("not", tree)
    ("test", operand)                   ("cmp", sign, operand, operand)
    ("between", negated, operand, operand, operand)
    ("in", negated, operand, [literal, ...])
    ("in_array", negated, operand, parameter)
    ("like", negated, operand, literal, escape or None)
    ("contains", negated, operand, operand)
    ("is_null", negated, operand)

    operand: ("field", name) | ("literal", value) | ("param", name, value)

Values are None, bool, int, float, str and list of str; truth is True, False and None for unknown.
"""
import random
import re

WORDS = ["", "a", "b", "ab", "abc", "a'b", "a%b", "a_b", "%", "_", "\\", "Zeta", "zeta", "é", "éa", "日本", "😀", "x!y",
         "net", "network", 'say "hi"', "line\nbreak"]
SMALL_LONGS = [0, 1, -1, 2, 3, 7, 10, 100, -100, 2**31, -(2**31), 2**53 - 1]
LARGE_LONGS = [2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**62 + 1]
DOUBLES = [0.0, -0.0, 0.5, -0.5, 1.0, 2.0, 2.5, 7.0, 10.0, 0.1, 1e-3, 1e6, -100.0, 3.75]
LARGE_DOUBLES = [2.0**53, 2.0**53 + 2, -(2.0**53), 2.0**63, -(2.0**63), 1e300, -1e300, 5e-324]

# Field name -> the kind of its values. The names are also those of DuckDB's columns.
TYPED = {"s1": str, "s2": str, "l1": int, "l2": int, "d1": float, "d2": float, "b1": bool, "b2": bool,
         "t1": list, "t2": list, "x y": str, 'q"q': int, "not": bool}


class Source:
    """Random values, fields and trees. `mixed`: a field may hold any kind, and numbers are large, too."""

    def __init__(self, seed, mixed):
        self.random = random.Random(seed)
        self.mixed = mixed
        self.param_count = 0

    def value(self, kind):
        pick = self.random.choice
        if kind is str:
            return pick(WORDS)
        if kind is bool:
            return pick([True, False])
        if kind is list:
            return [pick(WORDS) for _ in range(self.random.randrange(4))]
        if kind is int:
            return pick(SMALL_LONGS + LARGE_LONGS if self.mixed else SMALL_LONGS)
        return pick(DOUBLES + LARGE_DOUBLES if self.mixed else DOUBLES)

    def row(self):
        """Metadata: a field may be missing, or null."""
        row = {}
        for name, kind in TYPED.items():
            chance = self.random.random()
            if chance < 0.15:
                continue
            if self.mixed:
                kind = self.random.choice([str, int, float, bool, list])
            row[name] = None if chance < 0.3 else self.value(kind)
        return row

    def field(self, kinds):
        names = [name for name, kind in TYPED.items() if self.mixed or kind in kinds]
        return ("field", self.random.choice(names))

    def constant(self, kinds):
        """A literal or a parameter; null now and then. A list is a parameter always."""
        kind = self.random.choice(kinds)
        value = None if self.random.random() < 0.07 else self.value(kind)
        if isinstance(value, list) or self.random.random() < 0.25:
            return self.param(value)
        return ("literal", value)

    def param(self, value):
        self.param_count += 1
        return ("param", f"p{self.param_count}", value)

    def operand(self, kinds, field_chance=0.5):
        return self.field(kinds) if self.random.random() < field_chance else self.constant(kinds)

    def kinds(self):
        return self.random.choice([(str,), (int, float), (int, float), (bool,), (list,)])

    def condition(self):
        negated = self.random.random() < 0.4
        make = self.random.choice([self.comparison, self.comparison, self.comparison, self.between, self.members,
                                   self.array, self.like, self.contains, self.is_null, self.test])
        return make(negated)

    def comparison(self, _):
        kinds = self.kinds()
        sides = [self.field(kinds), self.operand(kinds, 0.3)]
        if self.random.random() < 0.1:
            sides = [self.constant(kinds), self.constant(kinds)]
        self.random.shuffle(sides)
        return ("cmp", self.random.choice(["=", "!=", "<>", "<", "<=", ">", ">="]), *sides)

    def between(self, negated):
        kinds = self.kinds()
        return ("between", negated, self.operand(kinds, 0.8), self.operand(kinds, 0.3), self.operand(kinds, 0.3))

    def members(self, negated):
        kinds = self.random.choice([(str,), (int, float), (int,), (bool,)])
        members = [self.constant(kinds) for _ in range(self.random.choice([1, 2, 3, 5, 40]))]
        return ("in", negated, self.operand(kinds, 0.9), members)

    def array(self, negated):
        return ("in_array", negated, self.operand((str,), 0.9), self.param(self.value(list)))

    def like(self, negated):
        escape = self.random.choice([None, None, "!", "\\", "%", "a"])
        pieces = ["%", "_", "a", "b", "é", "日", "net", "'", "\\", "x"] + ([escape] if escape else [])
        pattern = "".join(self.random.choice(pieces) for _ in range(self.random.randrange(7)))
        if escape and ends_escaped(pattern, escape):
            pattern += "_"
        pattern = self.param(pattern) if self.random.random() < 0.25 else ("literal", pattern)
        if self.random.random() < 0.05:
            pattern = ("literal", None)
        return ("like", negated, self.operand((str,), 0.9), pattern, escape)

    def contains(self, negated):
        return ("contains", negated, self.operand((list,), 0.9), self.operand((str,), 0.2))

    def is_null(self, negated):
        return ("is_null", negated, self.operand(self.kinds(), 0.9))

    def test(self, _):
        return ("test", self.operand((bool,), 0.85))

    def tree(self, depth):
        chance = self.random.random()
        if depth == 0 or chance < 0.25:
            return self.condition()
        if chance < 0.4:
            return ("not", self.tree(depth - 1))
        branches = [self.tree(depth - 1) for _ in range(self.random.choice([2, 2, 2, 3, 5]))]
        return ("and" if chance < 0.7 else "or", branches)


def params_of(tree):
    """The parameters that a tree uses, by name."""
    if isinstance(tree, tuple) and tree[0] == "param":
        return {tree[1]: tree[2]}
    found = {}
    if isinstance(tree, (tuple, list)):
        for part in tree:
            found.update(params_of(part))
    return found


def ends_escaped(pattern, escape):
    """Whether the pattern's last character is an escape that escapes nothing."""
    at = 0
    while at < len(pattern):
        at += 2 if pattern[at] == escape else 1
    return at > len(pattern)


class Writer:
    """Writes a tree as a text, with only the parentheses it needs and a few more, odd cases and blanks."""

    def __init__(self, source, sql):
        self.random = random.Random(source.random.random())
        self.sql = sql              # CONTAINS as DuckDB calls it

    def word(self, word):
        return self.random.choice([word, word.lower(), word.capitalize()])

    def blank(self):
        return self.random.choice([" ", " ", " ", "  ", "\n", "\t"])

    def words(self, *words):
        return "".join(word if i == 0 else self.blank() + word for i, word in enumerate(words) if word)

    def operand(self, operand):
        if operand[0] == "param":
            return "$" + operand[1]
        if operand[0] == "literal":
            return self.literal(operand[1])
        name = operand[1]
        if re.fullmatch(r"[A-Za-z_]\w*", name) and name != "not" and self.random.random() < 0.7:
            return name
        return '"' + name.replace('"', '""') + '"'

    def literal(self, value):
        if value is None or isinstance(value, bool):
            return self.word({None: "NULL", True: "TRUE", False: "FALSE"}[value])
        if isinstance(value, str):
            return "'" + value.replace("'", "''") + "'"
        return repr(value)

    def negation(self, negated):
        return self.word("NOT") if negated else ""

    def tree(self, tree, level=0):
        """level: 0 within OR or parentheses, 1 within AND, 2 behind NOT."""
        own = {"or": 0, "and": 1}.get(tree[0], 2)
        text = self.plain(tree)
        if own < level or (tree[0] in ("and", "or") and own == level) or self.random.random() < 0.05:
            return "(" + self.random.choice(["", " "]) + text + ")"
        return text

    def plain(self, tree):
        kind = tree[0]
        if kind in ("and", "or"):
            keyword = self.blank() + self.word(kind.upper()) + self.blank()
            return keyword.join(self.tree(branch, 1 if kind == "or" else 2) for branch in tree[1])
        if kind == "not":
            return self.words(self.word("NOT"), self.tree(tree[1], 2))
        return getattr(self, kind)(*tree[1:])

    def test(self, operand):
        return self.operand(operand)

    def cmp(self, sign, left, right):
        left, right = self.operand(left), self.operand(right)
        gap = " " if right.startswith("-") else self.random.choice(["", " "])   # DuckDB takes =- for one sign
        return left + gap + sign + gap + right

    def between(self, negated, value, lower, upper):
        return self.words(self.operand(value), self.negation(negated), self.word("BETWEEN"), self.operand(lower),
                          self.word("AND"), self.operand(upper))

    def in_(self, negated, value, members):
        inner = ",".join(self.random.choice(["", " "]) + self.operand(member) for member in members)
        return self.words(self.operand(value), self.negation(negated), self.word("IN"), "(" + inner + ")")

    def in_array(self, negated, value, array):
        if self.sql and not array[-1]:      # DuckDB before 2.0 takes NULL IN [] for NULL, where SQL says false
            value = self.operand(value)
            return self.words(self.negation(negated), f"({value} IN {self.operand(array)} AND {value} IS NOT NULL)")
        return self.words(self.operand(value), self.negation(negated), self.word("IN"), self.operand(array))

    def like(self, negated, value, pattern, escape):
        tail = (self.word("ESCAPE"), self.literal(escape)) if escape else ()
        return self.words(self.operand(value), self.negation(negated), self.word("LIKE"), self.operand(pattern), *tail)

    def contains(self, negated, array, member):
        if self.sql:
            array, member = self.operand(array), self.operand(member)
            # DuckDB before 2.0 takes NULL of an empty list for NULL.
            call = f"coalesce(list_contains({array}, {member}), CASE WHEN len({array}) = 0 THEN FALSE END)"
            return self.words(self.negation(negated), call) if negated else call
        return self.words(self.operand(array), self.negation(negated), self.word("CONTAINS"), self.operand(member))

    def is_null(self, negated, operand):
        return self.words(self.operand(operand), self.word("IS"), self.negation(negated), self.word("NULL"))


setattr(Writer, "in", Writer.in_)


# ---- meaning ----

def opposite(truth):
    return None if truth is None else not truth


def conjunction(truths):
    truths = list(truths)
    return False if False in truths else None if None in truths else True


def class_of(value):
    """What compares with what; bool before int, which Python takes it for."""
    if isinstance(value, bool):
        return bool
    return float if isinstance(value, (int, float)) else type(value)


def key_of(value):
    """Something that Python orders as SQL orders the value. Python compares int and float exactly."""
    if isinstance(value, str):
        return value.encode()
    return [item.encode() for item in value] if isinstance(value, list) else value


def compare(left, right, sign):
    if left is None or right is None or class_of(left) is not class_of(right):
        return None
    left, right = key_of(left), key_of(right)
    return {"=": left == right, "!=": left != right, "<>": left != right, "<": left < right, "<=": left <= right,
            ">": left > right, ">=": left >= right}[sign]


def like_to_regex(pattern, escape):
    regex, at = "", 0
    while at < len(pattern):
        if pattern[at] == escape:
            at += 1
            regex += re.escape(pattern[at])
        else:
            regex += {"%": ".*", "_": "."}.get(pattern[at]) or re.escape(pattern[at])
        at += 1
    return re.compile(regex, re.DOTALL)


def evaluate(tree, row):
    """The truth of a tree for a row."""
    kind, rest = tree[0], tree[1:]
    if kind == "and":
        return conjunction(evaluate(branch, row) for branch in rest[0])
    if kind == "or":
        return opposite(conjunction(opposite(evaluate(branch, row)) for branch in rest[0]))
    if kind == "not":
        return opposite(evaluate(rest[0], row))

    def value(operand):
        return row.get(operand[1]) if operand[0] == "field" else operand[-1]

    if kind == "test":
        found = value(rest[0])
        return found if isinstance(found, bool) else None
    if kind == "cmp":
        return compare(value(rest[1]), value(rest[2]), rest[0])
    truth = condition(kind, value(rest[1]), rest[2:], value)
    return opposite(truth) if rest[0] else truth


def condition(kind, left, rest, value):
    if kind == "is_null":
        return left is None
    if kind == "between":
        return conjunction([compare(left, value(rest[0]), ">="), compare(left, value(rest[1]), "<=")])
    if kind in ("in", "in_array"):
        members = [value(member) for member in rest[0]] if kind == "in" else value(rest[0])
        if left is None:
            return None if members else False
        return opposite(conjunction(opposite(compare(left, member, "=")) for member in members))
    if kind == "contains":
        member = value(rest[0])
        if left == []:
            return False
        return member in left if isinstance(left, list) and isinstance(member, str) else None
    pattern = value(rest[0])
    if not isinstance(left, str) or pattern is None:
        return None
    return like_to_regex(pattern, rest[1]).fullmatch(left) is not None
