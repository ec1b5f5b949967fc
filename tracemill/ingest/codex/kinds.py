"""The names of rows in a Codex rollout: items of the conversation, events that are used, and what keeps books."""

from __future__ import annotations

#: Items of the conversation.
_ITEM_NAMES = """
    message reasoning function_call function_call_output custom_tool_call custom_tool_call_output local_shell_call
    local_shell_call_output web_search_call tool_search_call tool_search_output image_generation_call agent_message
"""
#: Items, records and events that keep books: nothing in them is said that an item does not hold.
_BOOKKEEPING_NAMES = """
    world_state inter_agent_communication_metadata retained_context security_risk_score realtime_item
    additional_tools configuration_update ghost_snapshot compaction compaction_summary context_compaction
    compaction_trigger other state warning error stream_error context_compacted task_started turn_started
    task_complete turn_complete agent_reasoning_delta agent_message_delta agent_reasoning_section_break
    session_configured thread_name_updated thread_settings_applied thread_goal_updated mcp_startup_update
    mcp_startup_complete mcp_tool_call_begin mcp_tool_call_end web_search_begin web_search_end
    image_generation_begin image_generation_end exec_command_begin exec_command_output_delta exec_command_end
    terminal_interaction view_image_tool_call exec_approval_request request_permissions request_user_input
    dynamic_tool_call_request dynamic_tool_call_response elicitation_request apply_patch_approval_request
    guardian_assessment deprecation_notice background_event undo_started undo_completed patch_apply_begin
    patch_apply_updated patch_apply_end turn_diff get_history_entry_response plan_update plan_delta
    shutdown_complete entered_review_mode exited_review_mode raw_response_item item_started hook_started
    hook_completed model_reroute model_verification sub_agent_activity collab_agent_spawn_begin
    collab_agent_spawn_end collab_agent_interaction_begin collab_agent_interaction_end collab_waiting_begin
    collab_waiting_end collab_close_begin collab_close_end collab_resume_begin collab_resume_end
"""
#: Events that the reader uses: words that may stand nowhere else, and marks.
_EVENT_NAMES = """
    user_message agent_message agent_reasoning agent_reasoning_raw_content item_completed token_count turn_aborted
    thread_rolled_back
"""
ITEMS = frozenset(_ITEM_NAMES.split())
BOOKKEEPING = frozenset(_BOOKKEEPING_NAMES.split())
USED_EVENTS = frozenset(_EVENT_NAMES.split())
RECORDS = frozenset({"session_meta", "turn_context", "compacted", "token_usage_record", "inter_agent_communication"})
WRAPPERS = frozenset({"response_item", "event_msg"})
#: Type → kind, which has ``event:`` before the type of an event that is used.
ITEM_KINDS = {name: name for name in sorted(ITEMS | BOOKKEEPING)} | {"token_count": "event:token_count"}
EVENT_KINDS = {name: name for name in sorted(BOOKKEEPING)} | {name: f"event:{name}" for name in sorted(USED_EVENTS)}
