"""Where librdkafka speaks: heard at log level `debug` only, as the other client."""

import logging

logger = logging.getLogger("kafka.librdkafka")
