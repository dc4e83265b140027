// Imported before everything else, so that the page never tries to evaluate text as code: the policy
// of hosts forbids and reports that, even if the attempt is only a probe.

import { config } from "zod/v4/core";

config({ jitless: true });
