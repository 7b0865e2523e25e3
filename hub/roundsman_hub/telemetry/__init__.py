"""How a hub is watched: figures (Prometheus), health that tells the truth, logs as JSON, traces, and `roundsman-hub top`.

    a role's process ─► figures, vitals ─► door (loopback)  ◄─ gather ◄─ serve's door (/metrics, /readyz), the API's /readyz, top
                    └─► traces ─► any OTLP/HTTP collector, when OTEL_EXPORTER_OTLP_ENDPOINT names one

Each process of a hub writes where its door is to DIR/telemetry; who gathers asks them all. `table.METRICS` says what is counted.
"""
