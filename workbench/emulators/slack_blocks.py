"""The limits of Block Kit, beyond which `chat.postMessage` answers `invalid_blocks`.

Source: https://docs.slack.dev/reference/block-kit/blocks; only the blocks of an alert are checked in full.
"""

from __future__ import annotations

import json
from typing import Any

MAX_BLOCKS = 50
#: Characters of all blocks together, as JSON. Not documented; measured by users of Slack:
#: https://github.com/slackapi/bolt-js/issues/2509 and https://github.com/slackapi/bolt-js/issues/2867
MAX_ALL = 13_200
#: type -> required fields
REQUIRED = {
    "actions": ("elements",),
    "context": ("elements",),
    "divider": (),
    "header": ("text",),
    "image": ("alt_text",),
    "rich_text": ("elements",),
    "section": (),
    "markdown": ("text",),
    "video": ("alt_text", "title", "thumbnail_url", "video_url"),
    "file": ("external_id", "source"),
    "input": ("label", "element"),
    "call": ("call_id",),
    "table": ("rows",),
}
MAX_TEXT = {"header": 150, "section": 3000}
MAX_CONTEXT_TEXT, MAX_MARKDOWN, MAX_ALT_TEXT = 3000, 12_000, 2000
MAX_ELEMENTS = {"actions": 25, "context": 10}
MAX_FIELDS, MAX_FIELD_TEXT = 10, 2000
MAX_BLOCK_ID = 255
BUTTON_LIMITS = {"url": 3000, "value": 2000, "action_id": 255}
MAX_BUTTON_TEXT = 75


def problems(blocks: list[Any]) -> list[str]:
    """Return the problems that Slack reports, each with the JSON pointer to it."""
    if len(blocks) > MAX_BLOCKS:
        return [f"no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"]
    found: list[str] = []
    for index, block in enumerate(blocks):
        found += _block(block, f"/blocks/{index}")
    ids = [block["block_id"] for block in blocks if isinstance(block, dict) and block.get("block_id")]
    found += [
        f"`block_id` {twice} already exists [json-pointer:/blocks]" for twice in {i for i in ids if ids.count(i) > 1}
    ]
    return found


def too_long(blocks: list[Any]) -> bool:
    """Return whether Slack answers `msg_blocks_too_long`."""
    return _size(blocks) > MAX_ALL


def _size(value: Any) -> int:
    """Return the number of characters as JSON, without the backslashes in texts."""
    if isinstance(value, dict):
        return 1 + sum(len(name) + 4 + _size(each) for name, each in value.items())
    if isinstance(value, list):
        return 1 + sum(1 + _size(each) for each in value)
    return len(value) + 2 if isinstance(value, str) else len(json.dumps(value))


def _block(block: Any, pointer: str) -> list[str]:
    if not isinstance(block, dict):
        return [f"must be an object [json-pointer:{pointer}]"]
    kind = block.get("type")
    if kind not in REQUIRED:
        return [f"unsupported type: {kind} [json-pointer:{pointer}/type]"]
    found = [
        f"missing required field: {name} [json-pointer:{pointer}]" for name in REQUIRED[kind] if not block.get(name)
    ]
    found += _too_long(block.get("block_id"), MAX_BLOCK_ID, f"{pointer}/block_id")
    if kind == "section" and not (block.get("text") or block.get("fields")):
        found.append(f"missing required field: text or fields [json-pointer:{pointer}]")
    if kind in MAX_TEXT and block.get("text"):
        kinds = ("plain_text",) if kind == "header" else ("plain_text", "mrkdwn")
        found += _text(block["text"], MAX_TEXT[kind], f"{pointer}/text", kinds)
    fields = block.get("fields") or []
    found += _too_many(fields, MAX_FIELDS, f"{pointer}/fields")
    for index, field in enumerate(fields):
        found += _text(field, MAX_FIELD_TEXT, f"{pointer}/fields/{index}")
    found += _elements(kind, block.get("elements") or [], f"{pointer}/elements")
    if kind == "markdown":
        found += _too_long(block.get("text"), MAX_MARKDOWN, f"{pointer}/text")
    found += _too_long(block.get("alt_text"), MAX_ALT_TEXT, f"{pointer}/alt_text")
    if block.get("accessory"):
        found += _element(block["accessory"], f"{pointer}/accessory")
    return found


def _elements(kind: str, elements: list[Any], pointer: str) -> list[str]:
    found = _too_many(elements, MAX_ELEMENTS.get(kind, len(elements)), pointer)
    for index, element in enumerate(elements):
        if kind == "actions":
            found += _element(element, f"{pointer}/{index}")
        elif kind == "context" and not (isinstance(element, dict) and element.get("type") == "image"):
            found += _text(element, MAX_CONTEXT_TEXT, f"{pointer}/{index}")
    return found


def _element(element: Any, pointer: str) -> list[str]:
    if not isinstance(element, dict) or not element.get("type"):
        return [f"missing required field: type [json-pointer:{pointer}]"]
    if element["type"] != "button":
        return []
    found = _text(element.get("text"), MAX_BUTTON_TEXT, f"{pointer}/text", ("plain_text",))
    for name, limit in BUTTON_LIMITS.items():
        found += _too_long(element.get(name), limit, f"{pointer}/{name}")
    if element.get("style", "primary") not in {"primary", "danger"}:
        found.append(f"must be one of [primary, danger] [json-pointer:{pointer}/style]")
    return found


def _text(text: Any, limit: int, pointer: str, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> list[str]:
    if not isinstance(text, dict):
        return [f"must be an object [json-pointer:{pointer}]"]
    if text.get("type") not in kinds:
        return [f"must be one of [{', '.join(kinds)}] [json-pointer:{pointer}/type]"]
    content = text.get("text")
    if not isinstance(content, str) or not content:
        return [f"must be more than 0 characters [json-pointer:{pointer}/text]"]
    return _too_long(content, limit, f"{pointer}/text")


def _too_long(text: Any, limit: int, pointer: str) -> list[str]:
    if isinstance(text, str) and len(text) > limit:
        return [f"must be less than {limit + 1} characters [json-pointer:{pointer}]"]
    return []


def _too_many(items: list[Any], limit: int, pointer: str) -> list[str]:
    return [f"no more than {limit} items allowed [json-pointer:{pointer}]"] if len(items) > limit else []
