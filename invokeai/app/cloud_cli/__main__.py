"""`python -m invokeai.app.cloud_cli`: the console command `invokeai-cloud`."""

import sys

from invokeai.app.cloud_cli.commands import main

sys.exit(main())
