// Comes before everything else. Invariant: the page never tries to make code from text, which the
// policy of hosts forbids and reports, even where the attempt is only a probe.

import { config } from "zod/v4/core";

config({ jitless: true });
