"""The protocols of Alibaba Cloud IDaaS: configuration file, token endpoint, Developer API, user events.

May import the other folders of `identity` and the modules at its top.
Begin at `client`, which the broker calls; `configuration` reads the file that
the IDaaS console generates, and `user_event_reader` verifies what IDaaS reports about users.
"""
