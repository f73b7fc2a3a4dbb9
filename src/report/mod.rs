//! Plans, drift and runs as text and JSON. Pure: reads values and events, never executes.
