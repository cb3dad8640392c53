"""What any SOAP peer of ours needs: gate, one parse, WS-Security, Spyne behind them, server, signed client."""
