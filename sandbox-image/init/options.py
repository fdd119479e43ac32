"""What the runner says once, with the text of all of this: argv[2], JSON."""

import json
import sys

OPTIONS = json.loads(sys.argv[2])
WORKSPACE = OPTIONS["workspace"]
