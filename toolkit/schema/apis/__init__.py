"""The APIs whose responses are read, in the order in which they are tried.

To add an API, add a module with one `Api`, and its name to `APIS`.
"""

from toolkit.schema.apis.anthropic import ANTHROPIC
from toolkit.schema.apis.chat import CHAT
from toolkit.schema.apis.cohere import COHERE
from toolkit.schema.apis.converse import CONVERSE
from toolkit.schema.apis.gemini import GEMINI, GEMINI_SDK
from toolkit.schema.apis.ollama import OLLAMA
from toolkit.schema.apis.responses import RESPONSES
from toolkit.schema.apis.text import TEXT

__all__ = ["APIS", "ENVELOPES"]

# The kernel has its fast path for the first one.
APIS = (CHAT, TEXT, RESPONSES, ANTHROPIC, GEMINI_SDK, GEMINI, CONVERSE, COHERE, OLLAMA)

# Where a line has the response if the line itself is none, in the order in which they
# are tried, and which logs are so.
ENVELOPES = {
    "response.body": "batch output of OpenAI, Azure, Groq, vLLM",
    "response": "LiteLLM; batch output of Gemini and Vertex; pairs with a request",
    "response_body": "Helicone",
    "body": "gateways",
    "result.message": "batch results of Anthropic",
    "modelOutput": "batch output of Bedrock",
    "output.outputBodyJson": "model invocation logs of Bedrock",
    "output": "traces",
    "outputs": "traces",
    "result": "traces",
    "data": "traces",
}
