"""The gateway: an OwnTracks phone, or any tracker that speaks Traccar's OsmAnd protocol, stands in for a van.

Make a vehicle, then register its device: `PUT /v1/vehicles/VEHICLE/device` with `{"kind": "osmand", "unique_id": "868204001234567"}`.
The answer holds the path to send to, with a token that is shown once. Start the hub with `--gateway-port 8885`; to be reached from
outside, behind a proxy that speaks HTTPS, because these devices send where somebody is.

    Traccar Client, OsmAnd   http://HOST:8885/osmand/TOKEN     GET or POST: id, lat, lon, timestamp, speed, bearing, accuracy; or JSON, as
                                                               Traccar Client sends it since version 9
    OwnTracks, mode HTTP     http://HOST:8885/owntracks/TOKEN  POST: JSON of _type location or transition
    OwnTracks, mode MQTT     mqtts://HOST:8886                 with `serve --gateway-mqtt-port 8886` and kind `owntracks_mqtt`

Over MQTT the answer to the registration holds user name and password; the topic is OwnTracks' own, `owntracks/USER/DEVICE`, and USER is
the vehicle. The broker lets each telephone write there and nowhere else, by the hub's own certificate authority (DIR/pki/ca.pem, for the
app to trust). What OwnTracks says besides positions (cards, waypoints, steps, …) is counted and passed over; its last will (`lwt`) says
that the link to it is lost.

What a device says becomes the same log as a van's: a session for each start of the gateway and device, numbered entries, kept on the
gateway's disk (`spool.py`) before the device is answered, and handed to ingest's own `take` until the database has committed them: the
watermark makes each entry arrive exactly once, whatever is killed. A device that repeats itself is answered, and not logged again.

Who drives, and when, the hub's shift says (`driver`, `shift_start`, `shift_end`): what is sent outside it is answered, and thrown away
before it is written anywhere. That is weaker than a unit of ours, which does not listen then: the phone itself still knows where it is.
"""
