"""The fields of a Claude Code row that are read; the rest, such as a copy of the tool result, is most of some files."""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec


class _Attachment(TypedDict, total=False):
    type: Any
    prompt: Any
    commandMode: Any
    origin: Any
    isMeta: Any
    systemPrompt: Any
    tools: Any


class _Fields(TypedDict, total=False):
    parentUuid: Any
    logicalParentUuid: Any
    isSidechain: Any
    cwd: Any
    sessionId: Any
    session_id: Any
    version: Any
    gitBranch: Any
    agentId: Any
    type: Any
    message: Any
    isMeta: Any
    isCompactSummary: Any
    isApiErrorMessage: Any
    compactMetadata: Any
    supersedesUuids: Any
    origin: Any
    attachment: _Attachment
    uuid: Any
    timestamp: Any
    summary: Any
    customTitle: Any
    aiTitle: Any


ROW_FIELDS = msgspec.json.Decoder(_Fields)
