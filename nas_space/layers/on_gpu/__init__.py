"""The layers in the forms that are fast on a GPU: few and large operators, none of which is waited for."""
