"""The autoscalers that others run, each played by the referee's rules: one file per rival."""
