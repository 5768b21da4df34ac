"""``agents top``: what runs, live, on the whole screen. Needs the extra ``top``."""
