"""The APIs whose responses are read, in the order in which they are tried.

To add an API, add a module with one `Api`, and its name to `APIS`; with another one for
its chunks, if they can be put together, to `CHUNK_APIS`.
"""

from toolkit.schema.apis.anthropic import ANTHROPIC, ANTHROPIC_EVENT
from toolkit.schema.apis.chat import (
    CHAT,
    CHAT_CHUNK,
    CHAT_DELTA,
    GROQ_CHUNK,
    MOONSHOT_CHUNK,
)
from toolkit.schema.apis.cohere import COHERE
from toolkit.schema.apis.converse import CONVERSE
from toolkit.schema.apis.gemini import (
    GEMINI,
    GEMINI_CHUNK,
    GEMINI_SDK,
    GEMINI_SDK_CHUNK,
)
from toolkit.schema.apis.ollama import OLLAMA, OLLAMA_CHUNK
from toolkit.schema.apis.responses import RESPONSES
from toolkit.schema.apis.text import TEXT, TEXT_CHUNK

__all__ = ["APIS", "CARRIERS", "CHUNK_APIS", "ENDS_WHOLE", "ENVELOPES"]

APIS = (CHAT, TEXT, RESPONSES, ANTHROPIC, GEMINI_SDK, GEMINI, CONVERSE, COHERE, OLLAMA)

# Of streamed responses. A line is tried as a response first, an item of a line with a
# whole stream as a chunk.
CHUNK_APIS = (
    CHAT_CHUNK,
    GROQ_CHUNK,
    MOONSHOT_CHUNK,
    TEXT_CHUNK,
    GEMINI_SDK_CHUNK,
    GEMINI_CHUNK,
    OLLAMA_CHUNK,
    ANTHROPIC_EVENT,
    CHAT_DELTA,
)

# Names of the APIs whose last chunk has the form of a response.
ENDS_WHOLE = sorted({api.name for api in CHUNK_APIS if api.ends_whole})

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

# Where a line can have a whole stream, beside the line itself and its envelopes.
CARRIERS = (
    *("chunks", "streamed_data", "events"),
    *("response.chunks", "response.streamed_data", "response.events"),
    "response_body.streamed_data",
)
