-- One session of the night's work: what it costs of the processor, and how long it takes.
\set ON_ERROR_STOP on
SET application_name = 'maintenance';
SELECT bench.ticks() AS ticks, clock_timestamp() AS began \gset
CALL bench.night(500) \gset
INSERT INTO bench.watch
SELECT pg_backend_pid(), :done, (bench.ticks() - :ticks) / 100, extract(epoch FROM clock_timestamp() - :'began'::timestamptz);
