# The studio's server as a container.
#   docker build -t invokeai-cloud .                          the API, as Cloudflare runs it behind Worker and Pages
#   docker build -t invokeai-cloud --build-arg WEB_UI=auto .  with the web UI inside, for a server of one's own
#   docker build -t invokeai-cloud --target local .           with torch as well, for node packs that compute here
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv --without-pip /opt/venv && ln -s python3.11/site-packages /opt/venv/lib/packages
# takes a fifth off the image: wheels come with symbols that only a debugger reads
# hadolint ignore=DL3008
RUN command -v strip || { apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*; }
# what changes seldom comes first: a change of the code alone rebuilds little
COPY pyproject.toml ./
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print(*p['dependencies'], *p['optional-dependencies']['cloudflare'], sep='\n')" > requirements.txt \
    && pip --python /opt/venv/bin/python install -r requirements.txt
WORKDIR /opt/venv/lib/packages
# of boto's clients of three hundred services one is used; of numpy's tests one file, by numpy.testing
RUN find -L . -path './botocore/data/*' -prune -type d ! -name s3 -exec rm -r {} + \
    && find -L . -path '*/tests/*' -type f ! -name _natype.py ! -name __init__.py -delete \
    && find -L . -name '*.pyi' -delete \
    && rm -r numpy/f2py numpy/_core/include \
    # (libraries that came along were moved about in their files, which stripping would break)
    && find -L . -name '*.so' ! -path '*.libs/*' -exec strip --strip-unneeded {} +
WORKDIR /src
COPY README.md LICENSE NOTICE ./
COPY invokeai ./invokeai
RUN pip --python /opt/venv/bin/python install --no-deps . \
    # the server may not write here; hashes instead of times hold in any layer
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib
ARG WEB_UI=none
# the OpenAPI document costs half a second of a core at every start, where it is not there
RUN XDG_CACHE_HOME=/opt/cache /opt/venv/bin/python -m invokeai.app.prebuild_openapi \
    && if [ "${WEB_UI}" != none ]; then \
        PYTHONPATH=/opt/venv/lib/packages XDG_CACHE_HOME=/opt/cache \
        python -m invokeai.app.services.ui_bundle; \
    fi

FROM ${PYTHON_IMAGE} AS runtime
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_CACHE_HOME=/opt/cache \
    INVOKEAI_ROOT=/data \
    INVOKEAI_HOST=0.0.0.0 \
    INVOKEAI_PORT=8080 \
    INVOKEAI_LOG_FORMAT=json
# slim images come without the standard library's bytecode, which costs a third of a second at every start
RUN install -d -o 10001 -g 10001 /data \
    && python -m compileall -q --invalidation-mode unchecked-hash \
        -x '/(test|tests|idlelib|lib2to3|tkinter|turtledemo|ensurepip|distutils|pydoc_data|site-packages|dist-packages)(/|$)' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
ARG WEB_UI=none
ENV INVOKEAI_WEB_UI=${WEB_UI}
COPY --from=build /opt/cache /opt/cache
COPY --from=build /opt/venv /opt/venv
WORKDIR /data
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-ISc", "import os, socket, sys; s = socket.create_connection(('127.0.0.1', int(os.environ['INVOKEAI_PORT'])), 4); s.sendall(b'GET /healthz HTTP/1.0\\r\\n\\r\\n'); sys.exit(b' 200 ' not in s.recv(64))"]
CMD ["invokeai-web"]

FROM build AS build-local
# `--build-arg TORCH='torch==2.9.1 --index-url https://download.pytorch.org/whl/cu128'` chooses another build
ARG TORCH="torch>=2.4"
# hadolint ignore=SC2086,DL3013
RUN pip --python /opt/venv/bin/python install ${TORCH}

FROM runtime AS local
COPY --from=build-local /opt/venv /opt/venv

# the last stage is what a build without --target makes
FROM runtime
