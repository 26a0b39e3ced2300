"""`make prove-batch`: what is kept of events and learned from them later, measured on the real parts."""
