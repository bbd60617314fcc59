"""Who may ask: this machine's own page alone; and what a browser may do with the answers."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse

ADDRESS = "127.0.0.1"
HOSTS = (ADDRESS, "localhost")  # any other name is another site's, made to lead here
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{what} {source}" for what, source in POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def guarded(app):
    """An ASGI application that answers no other site; HEADERS stand in every answer, refusals too."""
    return _with_headers(TrustedHostMiddleware(_same_origin(app), allowed_hosts=HOSTS, www_redirect=False))


def _same_origin(app):
    async def call(scope, receive, send):
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            headers = Headers(scope=scope)
            own = f"http://{headers.get('host')}"
            if headers.get("origin") != own:
                line = f"expected a question from {own}, found another site's"
                return await JSONResponse({"error": line}, status_code=403)(scope, receive, send)
        await app(scope, receive, send)

    return call


def _with_headers(app):
    async def call(scope, receive, send):
        async def answer(message):
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        await app(scope, receive, answer)

    return call
