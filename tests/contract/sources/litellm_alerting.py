"""LiteLLM's own alerting, run with a Python that has it: ``python litellm_alerting.py URL KEY``."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta

PROMPT = "my secret plan"


async def alert(url: str, key: str) -> None:
    """Let LiteLLM alert by each of its ways: a slow answer, an outage, a budget."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["PROXY_BASE_URL"] = "https://llm.example.com"
    os.environ["SLACK_WEBHOOK_URL"] = os.environ["MS_TEAMS_WEBHOOK_URL"] = f"{url}/services/T0/B0/{key}"
    os.environ["WEBHOOK_URL"] = f"{url}/api/v1/sources/litellm?key={key}"
    from litellm.integrations.SlackAlerting.slack_alerting import SlackAlerting
    from litellm.proxy._types import CallInfo, Litellm_EntityType
    from litellm.types.integrations.slack_alerting import AlertType

    alerting = SlackAlerting(alerting=["slack", "ms_teams", "webhook"], alerting_threshold=10)
    alerting.alert_types = list(AlertType)
    now = datetime.now(UTC)
    metadata = {"user_api_key_alias": "chat", "user_api_key_team_alias": "rag"}
    slow = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": PROMPT}],
        "litellm_params": {"metadata": metadata, "api_base": "https://api.openai.com"},
    }
    await alerting.response_taking_too_long_callback(slow, None, now - timedelta(seconds=30), now)
    for _ in range(3):
        await alerting.send_alert(
            message="LLM API call failed: it is down", level="High", alert_type=AlertType.llm_exceptions,
            alerting_metadata={},
        )  # fmt: skip
    owner = CallInfo(
        token="88dc28d0",
        spend=110.0,
        max_budget=100.0,
        user_id="u-1",
        key_alias="chat",
        event_group=Litellm_EntityType.KEY,
    )
    await alerting.budget_alerts(type="token_budget", user_info=owner)
    await alerting.flush_queue()


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(alert(sys.argv[1], sys.argv[2]), 60))
