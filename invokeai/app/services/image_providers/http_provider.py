"""What providers behind HTTP share: the key on its way, lost answers and kept answers.

The key travels to the provider's own hosts only, never with a picture's address and never into an error's words.
"""

from __future__ import annotations

import asyncio
import io
import logging
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from invokeai.app.services.image_providers.http_answer import AnswerLost, HttpAnswer, HttpCall, NotSent
from invokeai.app.services.image_providers.picture_addresses import (
    UnsafePicture,
    check_address,
    is_loopback,
    public_transport,
)
from invokeai.app.services.image_providers.picture_places import IN_MEMORY_BYTES, WaitingBytes
from invokeai.app.services.image_providers.provider import CredentialsSource, ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    ProviderAddressRefused,
    ProviderAuthError,
    ProviderError,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.result_pictures import (
    FETCH_TRIES,
    ResultPictures,
    body_up_to,
    take_place_for,
)
from invokeai.app.services.image_providers.trusted_roots import trusted_roots

if TYPE_CHECKING:
    import httpx
    from PIL.Image import Image

    AnswerReader = Callable[[httpx.Response], Awaitable[bytes | WaitingBytes]]

    from invokeai.app.services.image_providers.generation import ImageRequest, ImageResult
    from invokeai.app.services.image_providers.image_model import ImageModel
    from invokeai.app.services.image_providers.receipts import Receipt

logger = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes whole addresses, with accounts and signatures in them

MAX_ANSWER_BYTES = 192 * 1024 * 1024  # the largest picture that may be asked for, in base64; or a 4K one and its drafts
READ_AT_ONCE = 32
KEPT_AT_ONCE = 8
CONNECT_SECONDS = 10.0


class HttpImageProvider(ResultPictures):
    """A provider behind HTTP whose one POST answers with the pictures. `transport` replaces the network in tests.

    A subclass says what is sent (`call_for`), reads an answer (`result_of`) and what is wrong with one (`failure_of`).
    """

    def __init__(
        self,
        credentials: CredentialsSource = ProviderCredentials,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(credentials)
        self._transport = transport
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._reading = asyncio.Semaphore(READ_AT_ONCE)
        self._keeping = asyncio.Semaphore(KEPT_AT_ONCE)

    async def aclose(self) -> None:
        """Close the connections."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    # --- what a provider writes ------------------------------------------------------------------------------------

    @abstractmethod
    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """The one paid call, built on a worker thread.

        Raises:
            ProviderBadRequest: the provider cannot do this; nothing was sent.
        """

    @abstractmethod
    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """The pictures and the cost in the kept answer, now or after a restart.

        Raises:
            ProviderError: there are none in it.
        """

    @abstractmethod
    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        """The typed error of an answer with another status; `failure` does most of it."""

    def key_headers(self, key: str) -> dict[str, str]:
        """How the key travels."""
        return {"Authorization": f"Bearer {key}"}

    # --- one paid call ---------------------------------------------------------------------------------------------

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        """One POST, whose answer is kept before it is read."""
        call = await asyncio.to_thread(self.call_for, request, model, receipt)
        answer = await self.pay(call, receipt, model.timeout_seconds)
        return await self.keep_and_read(answer, receipt)

    async def keep_and_read(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """The result of an answer that was paid for. It is kept first, then waits until there is room for pictures.

        Raises:
            ProviderError: there are none in it.
        """
        async with self._keeping:
            await receipt.answered(answer.packed())
        if isinstance(answer.content, WaitingBytes):
            await take_place_for(answer.content.size)
        return await self.result_of(answer, receipt)

    async def resume(self, receipt: Receipt) -> ImageResult | None:
        """The result from the kept answer; without one nobody can tell."""
        kept = await receipt.read_answer()
        return await self.result_of(HttpAnswer.unpack(kept), receipt) if kept else None

    async def pay(
        self, call: HttpCall, receipt: Receipt, seconds: float, read: AnswerReader | None = None
    ) -> HttpAnswer:
        """Send what costs money, once; its answer if it has status 200 to 202. `read` makes the body from a stream.

        Raises:
            ProviderError: what came instead; `OutcomeUnknown` when nothing came.
        """
        self.check_key()
        self._own_address(call.path)
        await receipt.sent(receipt.provider_ref)  # `call_for` may note there what the answer will not tell
        try:
            async with asyncio.timeout(seconds):
                answer = await self.send(call, seconds, read)
        except NotSent as error:
            message = f"{self.info.display_name} cannot be reached ({error}); nothing was sent."
            raise ProviderUnavailable(message, provider_id=self.info.provider_id) from None
        except (AnswerLost, TimeoutError) as error:
            raise self.unknown(f"no whole answer came ({error or 'too slow'})") from None
        if answer.status not in (200, 201, 202):
            raise self.failure_of(answer)
        return answer

    # --- exchanges -------------------------------------------------------------------------------------------------

    def base_url(self) -> str:
        """The address in force, without a slash at the end.

        Raises:
            ProviderAddressRefused: an address without TLS that is not this machine.
        """
        url = (self._credentials().base_url or self.default_base_url).rstrip("/")
        parts = urlsplit(url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            message = f"The base URL of {self.info.display_name} must start with https://."
            raise ProviderAddressRefused(message, provider_id=self.info.provider_id)
        return url

    def check_key(self) -> None:
        """Return when there is a key that can be sent, or none is needed.

        Raises:
            ProviderAuthError: no key is set, or it is nothing that a header takes.
        """
        if self.info.needs_key and not self._credentials().api_key:
            raise ProviderAuthError(self.get_setup_instructions(), provider_id=self.info.provider_id)
        self._key_for_header()

    def _key_for_header(self) -> str | None:
        key = self._credentials().api_key
        if key and (" " in key or not (key.isascii() and key.isprintable())):
            message = f"The key of {self.info.display_name} has characters in it that no key has; copy it once more."
            raise ProviderAuthError(message, provider_id=self.info.provider_id)
        return key

    async def send(self, call: HttpCall, read_seconds: float = 120.0, read: AnswerReader | None = None) -> HttpAnswer:
        """Send one request with the key to the provider's own hosts, once.

        Raises:
            NotSent, AnswerLost: no whole answer came.
            ProviderAddressRefused: an address that is not the provider's. ProviderAuthError: as `check_key`.
        """
        import httpx

        url, key = self._own_address(call.path), self._key_for_header()
        headers = {**(self.key_headers(key) if key else {}), **call.headers}
        body: dict[str, Any] = {"json": call.json} if call.json is not None else {}
        if call.form is not None:
            files = [(name, (file_name, data, kind)) for name, file_name, data, kind in call.files]
            body = {"data": call.form, "files": files}
            if not files:  # httpx would make a plain form of it
                body = {"files": [(name, (None, text)) for name, text in call.form.items()]}
        timeout = httpx.Timeout(read_seconds, connect=CONNECT_SECONDS, pool=None)
        try:
            async with self._client("api").stream(call.method, url, headers=headers, timeout=timeout, **body) as answer:
                told = "content-length" in answer.headers  # it is there whole, so nobody is waited for
                async with self._reading if told else nullcontext():
                    content = await (read or whole_answer)(answer)
                if key and key.encode() in content:
                    whole = content if isinstance(content, bytes) else content.read()
                    content = whole.replace(key.encode(), b"[key]")
                return HttpAnswer(answer.status_code, dict(answer.headers), content)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotSent(type(error).__name__) from None
        except (httpx.HTTPError, UnsafePicture) as error:
            raise AnswerLost(type(error).__name__) from None

    async def ask(self, call: HttpCall, tries: int = FETCH_TRIES) -> HttpAnswer:
        """Send something free about a call that has left, again while nothing or a server error comes.

        Raises:
            PaidPictureLate: no try had an answer.
        """
        for attempt in range(tries):
            try:
                answer = await self.send(call)
                if answer.status < 500 and answer.status != 429:
                    return answer
                pause = answer.retry_after
            except (NotSent, AnswerLost):
                pause = None
            await asyncio.sleep(min(pause if pause is not None else self.pause_seconds * (attempt + 1), 30))
        raise self.late("it could not be asked what became of the picture")

    # --- connections -----------------------------------------------------------------------------------------------

    def _own_address(self, path: str) -> str:
        own = self.base_url()
        if path.startswith("/"):
            return own + path
        try:
            check_address(path, (*self.api_hosts, urlsplit(own).hostname or ""), own)
        except UnsafePicture as error:
            message = f"{self.info.display_name} named an address that is not its own ({error}); the key stays here."
            raise ProviderAddressRefused(message, provider_id=self.info.provider_id) from None
        return path

    def _client(self, network: str) -> httpx.AsyncClient:
        if network not in self._clients:
            import httpx

            transport = self._transport
            if transport is None and network == "results":
                transport = public_transport()
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=15)
            timeout = httpx.Timeout(120, connect=CONNECT_SECONDS)
            self._clients[network] = httpx.AsyncClient(
                transport=transport, timeout=timeout, limits=limits, trust_env=False, verify=trusted_roots()
            )
        return self._clients[network]


async def whole_answer(answer: httpx.Response) -> bytes | WaitingBytes:
    """The body as it comes, up to the bound of answers; a large one out of memory.

    Raises:
        UnsafePicture: it is longer.
    """
    head = HttpAnswer(answer.status_code, dict(answer.headers), b"").pack()
    body = await body_up_to(MAX_ANSWER_BYTES, answer, head)
    return body if body.size >= IN_MEMORY_BYTES else body.read()


def png_bytes(image: Image) -> bytes:
    """The picture as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def base64_png(image: Image) -> str:
    """The picture as a PNG file in base64."""
    import pybase64

    return pybase64.b64encode_as_string(png_bytes(image))


def data_uri(image: Image) -> str:
    """The picture as a data URI."""
    return f"data:image/png;base64,{base64_png(image)}"


def nothing_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    """The members that were asked for: None is left out."""
    return {name: value for name, value in values.items() if value is not None}
