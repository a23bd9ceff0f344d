#!/usr/bin/env python3
"""Compares conf/openapi.json with the JSON that the programs write and read, member by member, and with
the man page: each path and each member.

openapi_test.py CONTROL-SAMPLES OPENAPI-FILE MAN-PAGE
"""

import json
import re
import subprocess
import sys

REQUESTS = {"AddRequest", "ChangeRequest", "BanRequest", "PeerRequest", "Limits", "LimitsChange"}
KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object",
         list: "array"}


def resolve(schema, schemas):
    if "allOf" in schema and len(schema["allOf"]) == 1:
        schema = schema["allOf"][0]
    if "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix("#/components/schemas/")]
    return schema


def compare(where, schema, sample, schemas):
    """What the schema and a sample with all members do not agree on."""
    schema = resolve(schema, schemas)
    if schema.get("type") != KINDS[type(sample)]:
        yield f"{where}: {KINDS[type(sample)]} in the code, {schema.get('type')} in the description"
    elif isinstance(sample, list):
        for element in sample[:1]:
            yield from compare(where + "[]", schema["items"], element, schemas)
        if not sample:
            yield f"{where}: the sample has no element"
    elif isinstance(sample, dict):
        if schema.get("additionalProperties") is not False:
            yield f"{where}: the description allows unknown members"
        described = schema.get("properties", {})
        for name in sorted(described.keys() ^ sample.keys()):
            yield f"{where}.{name}: only in the {'code' if name in sample else 'description'}"
        for name in sorted(described.keys() & sample.keys()):
            yield from compare(f"{where}.{name}", described[name], sample[name], schemas)


def check_references(document):
    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for value in node.values():
                yield from walk(value)
        elif isinstance(node, list):
            for value in node:
                yield from walk(value)

    for reference in sorted(set(walk(document))):
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place.get(step, {})
        if not place:
            yield f"{reference}: leads nowhere"


def check(samples, document):
    schemas = document["components"]["schemas"]
    if len(samples) < 15:
        yield f"only {len(samples)} types were printed"
    for name, (full, least) in samples.items():
        if name not in schemas:
            yield f"{name}: not described"
            continue
        yield from compare(name, schemas[name], full, schemas)
        required = set(schemas[name]["required"])
        if name in REQUESTS and not required <= least.keys():
            yield f"{name}: required, but optional in the code: {sorted(required - least.keys())}"
        if name not in REQUESTS and required != least.keys():
            yield f"{name}: required {sorted(required)}, always written {sorted(least.keys())}"
    yield from check_references(document)


def check_page(page, document):
    paths = page[page.index("\n.Sh PATHS"):page.index("\n.Sh EVENTS")]
    paths = re.sub(r"\.It |Li ", "", re.sub(r" Ns (Ar|Li) ", "", paths))
    for path, methods in document["paths"].items():
        written = re.sub(r"\{(\w+)\}", lambda name: name.group(1).upper(), path)
        for method in methods.keys() - {"parameters"}:
            if not re.search(rf"\b{method.upper()} {re.escape(written)}( |$)", paths, re.MULTILINE):
                yield f"{method.upper()} {path}: not in the man page"
    types = re.split(r"\n\.Ss ", page[page.index("\n.Sh TYPES"):page.index("\n.Sh FILES")])[1:]
    for text in types:
        name = text.split("\n", 1)[0]
        described = set(re.findall(r"^\.It Li (\w+)\??(?= )", text, re.MULTILINE))
        members = document["components"]["schemas"].get(name, {}).get("properties", {}).keys()
        for member in sorted(members ^ described):
            yield f"{name}.{member}: in the man page or the description alone"
    if len(types) < 15:
        yield f"only {len(types)} types are in the man page"
    for code in document["components"]["schemas"]["ErrorBody"]["properties"]["code"]["enum"]:
        if f".It {code} Ta" not in page:
            yield f"{code}: not in the man page"


def check_itself():
    """A checker that finds nothing wrong with anything is worth nothing."""
    schema = {"type": "object", "additionalProperties": False,
              "properties": {"a": {"type": "string"}}}
    assert not list(compare("x", schema, {"a": ""}, {}))
    for wrong in ({}, {"a": 1}, {"a": "", "b": 1}, []):
        assert list(compare("x", schema, wrong, {})), wrong
    assert list(check_references({"$ref": "#/a/b"}))


def main():
    check_itself()
    printed = subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout
    samples = {}
    for line in printed.splitlines():
        name, full, least = line.split("\t")
        samples[name] = (json.loads(full), json.loads(least))
    with open(sys.argv[2], encoding="utf-8") as file:
        document = json.load(file)
    with open(sys.argv[3], encoding="utf-8") as file:
        page = file.read()
    complaints = list(check(samples, document)) + list(check_page(page, document))
    print("\n".join(complaints) or "the description and the code agree")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
