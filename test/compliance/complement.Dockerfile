# The image that Complement tests, made of the project's own (docker/Dockerfile): docker build -t partyline . is first.
#   docker build -t partyline-complement -f test/compliance/complement.Dockerfile test/compliance
FROM partyline
USER root
# Complement commits containers and starts the copies, so the data is beside the volume, which a commit leaves out.
RUN install -d -o partyline -g partyline -m 711 /srv/partyline
COPY start-complement.sh /usr/local/bin/start-complement
ENV SERVER_NAME=localhost \
    PARTYLINE_DATA_DIR=/srv/partyline \
    PARTYLINE_PUBLIC_URL=http://127.0.0.1:8008 \
    PARTYLINE_TLS_CERT=/srv/certificate.pem \
    PARTYLINE_TLS_KEY=/srv/key.pem \
    PARTYLINE_FEDERATION_CA=/complement/ca/ca.crt \
    PARTYLINE_ALLOW_PRIVATE_ADDRESSES=on \
    PARTYLINE_REGISTRATION=open \
    PARTYLINE_REGISTRATION_SECRET=complement \
    PARTYLINE_DEFAULT_ROOM_VERSION=11 \
    PARTYLINE_RATE_LIMITS=off \
    PARTYLINE_URL_PREVIEWS=on \
    PARTYLINE_PASSWORD_COST=cheap
WORKDIR /srv/partyline
# Complement asks by itself until the server answers.
HEALTHCHECK NONE
ENTRYPOINT []
CMD ["start-complement"]
