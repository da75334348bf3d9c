"""The measurements, one program each; bench/NAME starts them."""
