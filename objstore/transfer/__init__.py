"""Objects on their way in and out: verified, sealed, stored; and back. Knows no HTTP framework."""
